"""Text in terminals of any width: nothing is torn apart, nothing is lost."""

import io

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from controller.cli.layout import plain_table, shorten_name, wrap

WORDS = st.lists(st.text("abc/-…日本é👩‍🔬", min_size=1, max_size=30), max_size=12)


@given(words=WORDS, width=st.integers(8, 90), indent=st.integers(0, 4))
def test_lines_break_at_spaces_alone(words: list[str], width: int, indent: int) -> None:
    """All words are there, whole and in order; only a word that is itself too long makes a line too long."""
    lines = wrap(Text(" ".join(words)), width, indent=indent)
    assert [word for line in lines for word in line.plain.split()] == words
    for n, line in enumerate(lines):
        assert line.cell_len <= width or len(line.plain.split()) == 1
        assert n == 0 or line.plain.startswith(" " * indent)


@example(words=["\u200d\u200daaa日日日"], width=8, most=1)
@given(words=WORDS, width=st.integers(8, 90), most=st.integers(1, 3))
def test_bounded_text_stays_in_its_room(words: list[str], width: int, most: int) -> None:
    """However hostile it is; an ellipsis says that there is more."""
    lines = wrap(Text(" ".join(words)), width, indent=2, most=most)
    assert len(lines) <= most
    assert all(line.cell_len <= width for line in lines)
    shown = " ".join(line.plain for line in lines).split()
    assert shown == words or any(word.endswith("…") for word in shown)


@given(name=st.text("abc/-日é👩‍🔬", max_size=100), width=st.integers(1, 90))
@example(name="openai/" + "x" * 72 + "-1", width=20)
def test_a_name_is_cut_in_its_middle(name: str, width: int) -> None:
    """It fits, and both of its ends are there."""
    shown = shorten_name(name, width)
    assert cell_len(shown) <= width
    front, cut, back = shown.partition("…")
    assert shown == name or (cut and name.startswith(front) and name.endswith(back))


@given(width=st.integers(30, 200), length=st.integers(1, 80), rows=st.integers(1, 4))
def test_a_table_tears_no_cell(width: int, length: int, rows: int) -> None:
    """Beside each other where they fit, else a row is a block: each name and figure stands whole on one line."""
    name = "provider/" + "日" * (length // 2) + "m" * (length % 2)
    table = plain_table("when", "target", figures=("p50",), prose="why")
    for n in range(rows):
        table.add(f"11-28 12:00:0{n}", name, "0.82 s", f"{name} is down: 9 of 14 probes failed")
    lines = table.lines(Console(width=width, file=io.StringIO()))
    text = "\n".join(line.plain for line in lines)
    assert text.count(name) == 2 * rows
    assert text.count("0.82 s") == rows
    assert all(line.cell_len <= max(width, 4 + cell_len(name)) for line in lines)
