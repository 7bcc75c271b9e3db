"""The configuration of Slack's buttons: the token of the connection that brings presses, and who may press."""

import re
from typing import Final

from monitor.config.config_providers import warn_about_literal
from monitor.config.schema import Section
from probes.target import Secret

_USER: Final = re.compile(r"[UW][A-Z0-9]{5,20}")
_HOW: Final = "the member id of a person, such as U012AB3CD (in Slack: the person's profile, Copy member ID)"


def read_app_token(section: Section) -> Secret | None:
    """The app-level token; None where there is none, or where what is wrong with it has been reported."""
    if not section.has("app_token"):
        return None
    token = section.secret("app_token", "a variable such as ${SLACK_APP_TOKEN}")
    if section.has("webhook_url"):
        problem = "does not go with webhook_url: buttons need messages that can be edited; use token and channel"
        section.findings.problem(section.at("app_token"), problem)
        return None
    if token is None:
        return None
    if section.reader.keys and not token.value.startswith("xapp-"):
        # It may be another secret, so it is never shown.
        problem = "is not an app-level token, which begins with xapp-; make one with the scope connections:write"
        section.findings.problem(token.place, problem)
        return None
    warn_about_literal(section, token, "app token", "SLACK_APP_TOKEN")
    return Secret(token.value)


def read_allowed_users(section: Section) -> tuple[str, ...] | None:
    """The member ids of those who may press; None: everybody."""
    texts = section.words("allowed_users", "a list such as [U012AB3CD]", _HOW)
    if texts is None:
        return None
    if not section.has("app_token"):
        problem = "needs app_token: without it there are no buttons to press"
        section.findings.problem(section.at("allowed_users"), problem)
    if section.is_empty("allowed_users"):
        problem = "is empty: nobody might press; leave it out for everybody, or leave app_token out for no buttons"
        section.findings.problem(section.at("allowed_users"), problem)
    for text in texts:
        if not _USER.fullmatch(text.value):
            section.refuse(text, f"is nobody's id; expected {_HOW}")
    return tuple(dict.fromkeys(text.value for text in texts if _USER.fullmatch(text.value)))
