"""The keys of a provider: one, or several in order."""

from typing import Final

from monitor.config.document import Node, Sequence
from monitor.config.reading import ReadContext, file_of, variable_of
from monitor.config.values import items, key_variable, secret
from probes.target import ProviderKey, Secret

KEYS: Final = items(secret("", "key"), 'a list of variables such as ["${A}", "${B}"]')
_NONE: Final = ProviderKey(secret=Secret(""))


def provider_keys(
    key: Secret | None, keys: tuple[Secret, ...], node: Node, context: ReadContext, *, signing: bool, needed: bool
) -> tuple[ProviderKey, ...]:
    """What stands under `api_key` or `api_keys` of a provider, one at least; what is wrong is reported."""
    for name in ("api_key", "api_keys"):
        if signing and node.has(name):
            context.report(node.at(name), "is not used where requests are signed; leave it or signing out")
    written = node.child("api_keys")
    if isinstance(written, Sequence) and written.items:
        return _several(keys, written, node, context)
    if isinstance(written, Sequence):
        context.report(written.place, f"is empty; expected {KEYS.expected}")
    if node.has("api_keys"):
        return (_NONE,)
    if needed and not signing:
        context.require(node, "api_key", f"a variable such as ${{{key_variable(str(node.place.steps[1]))}}}")
    alone = node.child("api_key")
    return (ProviderKey(secret=key or Secret(""), variable=variable_of(alone), file=file_of(alone)),)


def _several(keys: tuple[Secret, ...], written: Sequence, node: Node, context: ReadContext) -> tuple[ProviderKey, ...]:
    if node.has("api_key"):
        context.report(node.at("api_key"), "stands beside api_keys; keep one of them")
    sources = [(variable_of(item), file_of(item)) for item in written.items]
    for number, (item, source) in enumerate(zip(written.items, sources, strict=True)):
        if any(source) and source in sources[:number]:
            context.report(item.place, f"{source[0] or source[1]} is here twice")
        if source[0] is None and len(sources) > 1:
            context.problems.warn(item.place, "is no variable: applications cannot be told when to use this key")
    if len(keys) != len(sources):
        return (_NONE,)  # the others have been reported
    return tuple(
        ProviderKey(secret=secret, variable=variable, file=file)
        for secret, (variable, file) in zip(keys, sources, strict=True)
    )
