"""The configuration of one provider: whom to ask, in which dialect, with which key."""

import re

from monitor.config.config_values import Text
from monitor.config.schema import Section
from monitor.status_pages.catalog import default_page
from probes.dialects.presets import PRESETS, Preset
from probes.dialects.registry import CONFIG_FIELDS, DIALECTS, PRESET_DIALECT, dialects_taking
from probes.target import Check, Provider, Secret

_NO_PAGE = "none"


def read_provider(name: str, section: Section) -> Provider:
    """The provider under this name; what is wrong with it has been reported."""
    preset = _preset(section)
    dialect = PRESET_DIALECT.name if preset else _dialect(section)
    region, version = _only_for(section, "region", dialect), _only_for(section, "api_version", dialect)
    signing = _signing(section, dialect)
    signs = signing and dialect in DIALECTS and DIALECTS[dialect].takes("signing")
    if signs and region is None and not section.has("region"):
        section.missing("region", "the region to sign for, such as us-east-1")
    key = _key(name, section, needed=not signing and (preset is None or preset.key_needed))
    base_url = _base_url(section, dialect, preset, region, signing=signs)
    return Provider(
        name=name,
        dialect=dialect,
        base_url=base_url,
        api_key=Secret(key.value if key else ""),
        api_key_env=key.variable if key else None,
        preset=preset.name if preset else None,
        region=region,
        api_version=version,
        signing=signing,
        status_page=_status_page(section, base_url),
    )


def checks_of(provider: Provider) -> frozenset[Check]:
    """The checks that can be asked of it; all of them where its dialect could not be read."""
    if provider.preset:
        return PRESETS[provider.preset].checks
    return DIALECTS[provider.dialect].checks if provider.dialect else frozenset(Check)


def warn_about_literal(section: Section, text: Text, what: str, variable: str) -> None:
    """Say that a secret stands in the file itself."""
    if not text.expanded:
        section.findings.warn(
            text.place, f"the {what} stands in the file; keep it in a variable and write ${{{variable}}}"
        )


def _preset(section: Section) -> Preset | None:
    text = section.text("preset", f"one of {', '.join(PRESETS)}")
    if text is None:
        return None
    if text.value not in PRESETS:
        hint = section.findings.did_you_mean(text.value, PRESETS) or f"; known: {', '.join(PRESETS)}"
        section.refuse(text, f"is not a preset of this version{hint}")
        return None
    if section.has("dialect"):
        said = f"the preset {text.value} speaks {PRESET_DIALECT.name}; leave dialect out"
        section.findings.problem(section.at("dialect"), said)
    return PRESETS[text.value]


def _dialect(section: Section) -> str:
    expected = f"one of {', '.join(DIALECTS)}"
    if section.has("preset"):
        return ""  # an unknown one, which has been reported
    dialect = section.required("dialect", f"{expected}, or a preset")
    if dialect is None:
        return ""
    if dialect.value in PRESETS:
        section.refuse(dialect, f"is not a dialect but a preset; write preset: {dialect.value}")
        return ""
    if dialect.value not in DIALECTS:
        hint = section.findings.did_you_mean(dialect.value, DIALECTS) or f"; expected {expected}"
        section.refuse(dialect, f"is not a dialect of this version{hint}")
        return ""
    return dialect.value


def _base_url(section: Section, dialect: str, preset: Preset | None, region: str | None, *, signing: bool) -> str:
    written = section.url("base_url")
    if written:
        warning = DIALECTS[dialect].base_url_warning(written.value) if dialect else None
        if warning:
            section.findings.warn(written.place, warning)
        return written.value.rstrip("/")
    default = (preset.default_base_url if preset else DIALECTS[dialect].default_base_url if dialect else "") or ""
    if "{region}" in default and region is None:
        if not signing and not section.has("region"):  # without one to sign for, that has been reported
            section.missing("region", "the region of the account, such as us-east-1 (or a base_url)")
        return ""
    if not default and (preset or dialect) and not section.has("base_url"):
        section.missing("base_url", f"the address of your own resource; {_own(preset, dialect)}")
    return default.replace("{region}", region or "")


def _status_page(section: Section, base_url: str) -> str | None:
    """The vendor's own, unless the file names another one or none."""
    if not section.has("status_page"):
        return default_page(base_url)
    text = section.text("status_page", f"an http(s) address, or {_NO_PAGE}")
    if text is None or text.value == _NO_PAGE:
        return None
    return text.value if section.is_url(text) else None


def _own(preset: Preset | None, dialect: str) -> str:
    return f"the {'preset' if preset else 'dialect'} {preset.name if preset else dialect} has none that suits everybody"


def _only_for(section: Section, key: str, dialect: str) -> str | None:
    """A word that only means something in one dialect."""
    field, takers = CONFIG_FIELDS[key], dialects_taking(key)
    node = section.entries.get(key)
    text = (
        None if node is None else section.reader.scalar(node, field.expected)
    )  # what YAML takes for a date is a version
    if text is None:
        return None
    if dialect and DIALECTS[dialect] not in takers:
        only = ", ".join(taker.name for taker in takers)
        section.findings.problem(text.place, f"means nothing in the dialect {dialect}, only in {only}; leave it out")
    elif field.pattern and not field.pattern.fullmatch(text.value):
        section.refuse(text, f"is not {field.expected}")
        return None
    return text.value


def _signing(section: Section, dialect: str) -> bool:
    signing = section.flag("signing", False)
    if signing and dialect and not DIALECTS[dialect].takes("signing"):
        section.findings.problem(section.at("signing"), f"means nothing in the dialect {dialect}; leave it out")
    if signing and section.has("api_key"):
        section.findings.problem(
            section.at("api_key"), "is not used where requests are signed; leave it or signing out"
        )
    return signing


def _key(name: str, section: Section, *, needed: bool) -> Text | None:
    if not needed and not section.has("api_key"):
        return None
    variable = re.sub("[^A-Z0-9]", "_", name.upper()) + "_API_KEY"
    key = section.secret("api_key", f"a variable such as ${{{variable}}}")
    if key:
        warn_about_literal(section, key, "key", variable)
    return key
