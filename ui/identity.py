"""Who may act on the page: what an OpenID Connect provider says of the person, against `ui.sign_in` (pure)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from monitor.config.page_settings import SignInSettings
from monitor.formatting import format_duration
from probes.redaction import one_line

#: So far the provider's clock may be ahead of ours.
_AHEAD_S: Final = 300.0
_LONGEST_NAME: Final = 80
_NAMES: Final = ("email", "preferred_username", "name", "sub")


class NotAllowedError(Exception):
    """Somebody may not act; the text says why and what to do, and repeats nothing that the provider said."""


def operator_name(claims: Mapping[str, Any], sign_in: SignInSettings, now: datetime) -> str:
    """The name under which somebody with these claims acts, as one line; raises NotAllowedError.

    To be asked at every single action: the sign-in may have ended since the page was opened.
    """
    if claims.get("is_logged_in") is not True:
        raise NotAllowedError("Nobody is signed in.")
    signed_at, age_s = claims.get("iat"), 0.0
    if isinstance(signed_at, int | float) and not isinstance(signed_at, bool):
        age_s = now.timestamp() - signed_at
    else:
        raise NotAllowedError("The provider does not say when this sign-in was: sign in again.")
    if not -_AHEAD_S <= age_s <= sign_in.lasts_s:
        lasts = format_duration(sign_in.lasts_s)
        raise NotAllowedError(f"This sign-in has ended: it counts for {lasts} (ui.sign_in.lasts). Sign in again.")
    if sign_in.allow.isdisjoint(_values(claims, sign_in.claim)):
        raise NotAllowedError(f"This account may not act: its claim {sign_in.claim} is not among ui.sign_in.allow.")
    names = (one_line(name, _LONGEST_NAME) for key in _NAMES for name in _values(claims, key))
    if name := next(filter(None, names), None):
        return name
    raise NotAllowedError("The provider gives this account no name.")


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The texts of a claim; none of an address that the provider calls unverified."""
    if claim == "email" and claims.get("email_verified", True) not in {True, "true"}:
        return []
    value = claims.get(claim)
    values = value if isinstance(value, list | tuple) else [value]
    return [each for each in values if isinstance(each, str) and each.strip()]
