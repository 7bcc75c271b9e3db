"""What a dialect is: pure functions for its wire format, and the declarations that configuration and display need."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from probes.checks import Task
from probes.dialects.error_envelope import read_error
from probes.dialects.error_rules import ErrorRule
from probes.request_reply import ErrorDetails, Reply, Request
from probes.streaming.aws_eventstream import AwsEventStreamParser
from probes.streaming.sse import ServerSentEvent, SseParser
from probes.target import Check, Provider, Secret, Target

#: A pattern for the whole path of a `base_url` that is probably wrong, and why, as the predicate of a sentence.
BaseUrlRule: TypeAlias = tuple[str, str]
VERSIONED: BaseUrlRule = ("", "has no path; servers of this dialect usually want one that ends in /v1")
UNVERSIONED: BaseUrlRule = (
    ".*/v[12](beta)?",
    "ends in a version, which this dialect adds itself; leave it out",
)
#: Stands for a model in the path of a method.
_ANY_MODEL: Final = "MODEL"
#: A method of any dialect after its version: no address to add one to.
_METHOD: Final = re.compile(r"(?i)/v\d+(beta)?/(chat/completions|completions|responses|messages|embeddings|models)$")
HOST_ALONE: BaseUrlRule = (".+", "has a path, which this dialect adds itself; leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """A key of a provider's configuration that this dialect takes and others refuse."""

    name: str
    """The key, and the attribute of `probes.target.Provider`."""
    pattern: re.Pattern[str] | None = None
    """Matches the whole of a valid value; None: the value is true or false."""
    expected: str = ""
    """The values that `pattern` allows, in words: `a region such as us-east-1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorStatusPage:
    """Where a vendor publishes its status for programs to read, and which parts of the page concern its API."""

    host: str
    """A pattern for the whole host of the vendor's base URLs; its group `region`, if any, is the cloud's region."""
    url: str
    components: tuple[str, ...] = ()
    """Parts of the names of components that matter, `{region}` standing for the region; a page that has none of them
    matters as a whole."""


def incident_io_page(host: str, domain: str, *components: str) -> VendorStatusPage:
    """A status page at incident.io, at the address that a program can read."""
    return VendorStatusPage(host=host, url=f"https://{domain}/proxy/{domain}", components=components)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One wire format."""

    name: str
    """As in the configuration."""
    default_base_url: str | None
    """The base URL of the format's own provider, `{region}` standing for the region; None where each customer has one
    of its own."""
    base_url_rule: BaseUrlRule | None = None
    config_fields: tuple[ConfigField, ...] = ()
    """The keys of a provider's configuration besides those that all dialects take."""
    status_page: VendorStatusPage | None = None
    """That of the format's own provider; None where it has none that a program can read."""
    price_list_id: str | None = None
    """What the price list (genai-prices) calls the format's own provider; None where many speak the format."""
    checks: frozenset[Check] = frozenset(Check)
    """The checks that the format can express."""
    build_request: Callable[[Target, Task], Request]
    """Builds the request that puts a task to a target."""
    read_reply: Callable[[Mapping[str, Any]], Reply]
    """Reads a whole reply from its JSON; raises MalformedError when there is no reply in it."""
    read_embedding: Callable[[Mapping[str, Any]], Reply] | None = None
    """Reads an embedding likewise; None where the format has none."""
    read_event: Callable[[Reply, ServerSentEvent], Reply]
    """Adds one event to a stream's reply so far; raises MalformedError for a corrupt frame."""
    read_error: Callable[[Mapping[str, Any]], ErrorDetails] = read_error
    """Reads an error body or an error frame."""
    errors: tuple[ErrorRule, ...] = ()
    """Its own rules, which precede those for all."""
    request_id_headers: tuple[str, ...]
    """Response headers that may hold the provider's own id of the request, the best first."""
    error_header: str | None = None
    """A response header, in lower case, that names the kind of an error up to the first colon."""
    owner_names_models: bool = False
    """Whether models have names of their owner's choice, so that the name of the model that answers tells nothing."""
    stream_parser: type[SseParser] | type[AwsEventStreamParser] = SseParser

    def takes(self, field: str) -> bool:
        """Whether a provider that speaks this dialect may have this key in its configuration."""
        return any(declared.name == field for declared in self.config_fields)

    def base_url_warning(self, base_url: str) -> str | None:
        """What is probably wrong with a configured base URL, as the predicate of a sentence; None when nothing is."""
        path = urlsplit(base_url).path.rstrip("/")
        provider = Provider(name="", dialect=self.name, base_url="", api_key=Secret(""))
        for check in (check for check in Check if check in self.checks):
            request = self.build_request(Target(provider=provider, model=_ANY_MODEL), Task(check=check, nonce=""))
            added = urlsplit(request.url).path
            if method := _begun(added).search(path):
                return f"ends in {method[0]}, which is added to it: requests would go to {path}{added}; leave it out"
        wrong_path, warning = self.base_url_rule or ("", None)
        if re.fullmatch(wrong_path, path, re.DOTALL):
            return warning
        if self.default_base_url is not None and "openai" not in self.name and re.search("/openai(/v1)?$", path):
            return "is the address of an OpenAI-compatible API; its dialect is openai-chat"
        method = _METHOD.search(path)
        return f"ends in {method[0]}, a method of an API; leave it out" if method else None


def _begun(method: str) -> re.Pattern[str]:
    """The end of a path that has the last part of a method already, or its beginning: `/v1beta/models`.

    The beginning of one of two parts may be a name that an address ends in: `/chat`.
    """
    before, _, last = re.escape(method).rpartition("/")
    parts = re.escape(method).split("/")[1:]
    heads = ["/".join(parts[:end]) for end in range(len(parts) - 1, 0, -1)] if len(parts) > 2 else []
    begun = "".join(f"|/{head}" for head in heads)
    return re.compile(f"(({before})?/{last}{begun})$".replace(_ANY_MODEL, "[^/]+"), re.IGNORECASE)
