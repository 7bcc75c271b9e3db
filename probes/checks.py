"""What each check asks, and whether a reply satisfies it."""

from probes.target import Check


def prompt(check: Check, nonce: str) -> str:
    """The last user message of a probe: short, and holding the nonce, so that no cache can answer it."""
    match check:
        case Check.CHAT | Check.STREAM:
            return f"Reply with exactly this word: {nonce}"


def satisfied(check: Check, nonce: str, reply: str) -> bool:
    """True when the reply holds the nonce, whatever stands around it."""
    match check:
        case Check.CHAT | Check.STREAM:
            return nonce.lower() in reply.lower()
