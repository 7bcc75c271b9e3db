"""Writes `client-js/src/error-words.js`, what providers write into their errors, from the Python client's own."""

import json
import re
from pathlib import Path

from hotspare_client import error_words
from hotspare_client.error_words import Rule

FILE = Path(__file__).parents[2] / "client-js" / "src" / "error-words.js"
_HEAD = """\
// What providers write into their errors. Written by `make reference` from hotspare_client/error_words.py: edit that.
"""


def javascript() -> str:
    """The module as JavaScript."""
    values = {
        "TOO_LONG": json.dumps(error_words.TOO_LONG),
        "RULES": f"[\n{''.join(f'  {_rule(rule)},{chr(10)}' for rule in error_words.RULES)}]",
        "CODES_AMONG_WORDS": _texts(error_words.CODES_AMONG_WORDS),
        "IN_STREAM": f"new Map(Object.entries({json.dumps(error_words.IN_STREAM)}))",
        "BY_STATUS": f"new Map({json.dumps(sorted(error_words.BY_STATUS.items()))})",
        "BY_CLASS": f"[\n{''.join(f'  {_named(*each)},{chr(10)}' for each in error_words.BY_CLASS)}]",
        "NOT_BEGUN": _pattern(error_words.NOT_BEGUN),
        "NOT_BEGUN_WORDS": _pattern(error_words.NOT_BEGUN_WORDS),
        "WAIT_WORDS": _pattern(error_words.WAIT_WORDS),
    }
    types = {
        "RULES": "/** @type {{ outcome: string, codes: Set<string>, statuses: Set<number>, "
        "words: RegExp | null }[]} */\n",
        "IN_STREAM": "/** @type {Map<string, string>} */\n",
        "BY_STATUS": "/** @type {Map<number, string>} */\n",
    }
    return _HEAD + "".join(f"{types.get(name, '')}export const {name} = {value};\n" for name, value in values.items())


def _rule(rule: Rule) -> str:
    words = _pattern(rule.words) if rule.words else "null"
    statuses = f"new Set({json.dumps(sorted(rule.statuses))})"
    codes = _texts(rule.codes)
    return f"{{ outcome: {json.dumps(rule.outcome)}, codes: {codes}, statuses: {statuses},\n    words: {words} }}"


def _named(pattern: re.Pattern[str], outcome: str) -> str:
    return f"{{ pattern: {_pattern(pattern)}, outcome: {json.dumps(outcome)} }}"


def _texts(texts: set[str] | frozenset[str]) -> str:
    return f"new Set({json.dumps(sorted(texts))})" if texts else "new Set()"


def _pattern(pattern: re.Pattern[str]) -> str:
    """The same pattern in JavaScript, whose dot stops at more than a line feed and which knows no `(?s:`."""
    parts, depth, whole_until = [], 0, -1
    for part in re.findall(r"\\.|\[(?:\\.|[^\]])*\]|\(\?s:|.", pattern.pattern, re.DOTALL):
        if part.startswith("("):
            depth += 1
        if part == "(?s:":
            whole_until = depth
        if part == ")":
            whole_until = -1 if depth == whole_until else whole_until
            depth -= 1
        dot = r"[\s\S]" if whole_until >= 0 else r"[^\n]"
        parts.append({"(?s:": "(?:", ".": dot, "/": r"\/"}.get(part, part))
    flags = "i" if pattern.flags & re.IGNORECASE else ""
    return f"/{''.join(parts)}/{flags}"


if __name__ == "__main__":
    FILE.write_text(javascript())
