"""The page on which somebody who is signed in acts: the use cases of the command line, under the signed-in name."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import streamlit as st

from controller import incident_comments
from controller.incidents import text as words
from controller.incidents.incident import Incident
from controller.incidents.store import LONGEST_NOTE
from controller.journal import Journal
from controller.override_operations import begin_override, end_override
from controller.routing.operator_requests import OperatorRequest, RefusedError
from controller.routing.override_text import describe_override, format_time_left
from controller.routing.overrides import ALL, LONGEST_REASON, Override, OverrideKind
from monitor.clock import utc_now
from monitor.config.page_settings import SignInSettings
from monitor.config.settings import Settings
from monitor.formatting import capitalized
from monitor.storage.database import DatabaseError, open_reader, shared_now
from ui.components import empty, link, section, text
from ui.identity import NotAllowedError, operator_name

_FOR_S: Final = {"30 min": 1800.0, "1 h": 3600.0, "2 h": 7200.0, "8 h": 28800.0, "1 d": 86400.0, "7 d": 604800.0}
_USUAL: Final = "2 h"
_WHAT: Final = {
    OverrideKind.PIN: "Pin: the route points at this target, whatever its health",
    OverrideKind.DRAIN: "Drain: no route points at this target, or any of this provider",
    OverrideKind.PAUSE: "Pause: the route stays where it is",
    OverrideKind.MAINTENANCE: "Maintain: messages and availability leave this target or provider out",
}
_SAID: Final = "operate_said"
_RECENT: Final = 20
#: What the use cases call by its option on the command line.
_OPTIONS: Final = {"--reason": "the reason", ", use --force": ", tick the box", "--author": "the name"}


def show(settings: Settings) -> None:
    """The page; raises DatabaseError."""
    with st.container(key="operate", gap="medium"):
        sign_in = settings.ui.sign_in
        if sign_in is None:
            st.html(empty("Nobody can act here: ui.sign_in is not configured."))
            return
        try:
            name = operator_name(st.user.to_dict(), sign_in, utc_now())
        except NotAllowedError as error:
            _offer_sign_in(error)
            return
        _show_actions(settings, sign_in, name)


def _offer_sign_in(error: NotAllowedError) -> None:
    st.html(section("Operate", "pin, drain, pause, acknowledge: for those who are signed in", ""))
    st.info(str(error))
    st.button("Sign in", on_click=st.login, type="primary")
    if st.user.is_logged_in:
        st.button("Sign out", on_click=st.logout)


def _show_actions(settings: Settings, sign_in: SignInSettings, name: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.html(section("Operate", f"as {text(name)}; everybody reads the name and the reason", ""), width="content")
        st.button("Sign out", on_click=st.logout)
    _show_outcome()
    act = partial(_act, sign_in)
    engine = open_reader(settings.database)
    journal, now = Journal(engine), shared_now(settings.database)
    in_force = journal.overrides.in_force(now)
    for override in in_force:
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.html(
            f"<p><b>{text(describe_override(override))}</b> {text(format_time_left(override, now))}, by "
            f"{text(override.author)}: {text(override.reason)}</p>"
        )
        end = partial(_end, settings, override)
        right.button(capitalized(override.kind.end_command), key=f"end {override.id}", on_click=act, args=(end,))
    _override_form(settings, act)
    _incident_form(settings, journal.incidents(_RECENT), act)


def show_comments(settings: Settings, incident: Incident) -> None:
    """Below an incident: who may act acknowledges it and adds notes; others find the way to sign in."""
    sign_in = settings.ui.sign_in
    if sign_in is None:
        return
    with st.container(key="operate", gap="medium"):
        try:
            name = operator_name(st.user.to_dict(), sign_in, utc_now())
        except NotAllowedError:
            way = link("operate", "Sign in to acknowledge it or to add a note", incident=str(incident.id))
            st.html(f'<p class="hs-way">{way}</p>')
            return
        _show_outcome()
        st.html(section("Acknowledge or note", f"as {text(name)}; everybody reads the name", ""))
        _comment_form(settings, incident, partial(_act, sign_in))


def _show_outcome() -> None:
    """What came of the last action."""
    if said := st.session_state.pop(_SAID, None):
        good, lines = said
        (st.success if good else st.warning)("  \n".join(map(_plain, lines)))


def _override_form(settings: Settings, act: Callable[..., None]) -> None:
    kinds = list(_WHAT)
    kind = st.segmented_control(
        "What",
        kinds,
        default=kinds[0],
        format_func=lambda each: capitalized(each.command),
        required=True,
        key=_key("kind"),
    )
    routes = [route.name for route in settings.routes]
    providers = [provider.name for provider in settings.providers]
    subjects = {
        OverrideKind.PIN: routes,
        OverrideKind.PAUSE: [*routes, ALL],
    }.get(kind, [*(target.id for target in settings.targets), *providers])
    st.caption(_WHAT[kind])
    with st.container(horizontal=True):
        label = "Target or provider" if kind.is_of_targets else "Route"
        subject = st.selectbox(label, subjects, key=_key(f"{kind} subject"))
        if kind is OverrideKind.PIN:
            candidates = next((route.candidates for route in settings.routes if route.name == subject), ())
            st.selectbox("Target", candidates, key=_key("target"))
        st.selectbox("For", list(_FOR_S), index=list(_FOR_S).index(_USUAL), key=_key("for"))
    st.text_input("Reason", max_chars=LONGEST_REASON, key=_key("reason"))
    if kind is OverrideKind.PIN:
        st.checkbox("Even to a target that fails", key=_key("force"))
    st.button(capitalized(kind.command), key="begin", type="primary", on_click=act, args=(partial(_begin, settings),))


def _begin(settings: Settings, author: str) -> tuple[bool, Sequence[str]]:
    """Begin what the form says now: what it said when it was drawn may be older than the last letter typed."""
    kind = OverrideKind(_entered("kind"))
    is_pin = kind is OverrideKind.PIN
    request = OperatorRequest(
        kind=kind,
        subject=_entered(f"{kind} subject"),
        target=_entered("target") if is_pin else None,
        reason=_entered("reason"),
        author=author,
        for_s=_FOR_S[_entered("for")],
        force=is_pin and st.session_state.get(_key("force")) is True,
    )
    result = begin_override(settings, request)
    return result.good, result.lines


def _incident_form(settings: Settings, incidents: Sequence[Incident], act: Callable[..., None]) -> None:
    st.html(section("Incidents", "say that you look after one, or what people should know", ""))
    if not incidents:
        st.html(empty("None so far."))
        return
    names = {str(incident.id): f"{incident.id}: {words.title(incident)}" for incident in incidents}
    wanted, ids = st.query_params.get("incident", ""), list(names)
    index = ids.index(wanted) if wanted in names else 0
    st.selectbox("Incident", ids, index=index, format_func=lambda number: names[number], key=_key("incident"))
    incident = next(each for each in incidents if str(each.id) == _entered("incident"))
    _comment_form(settings, incident, act)


def _comment_form(settings: Settings, incident: Incident, act: Callable[..., None]) -> None:
    st.text_input("Note", max_chars=LONGEST_NOTE, key=_key("note"))
    with st.container(horizontal=True):
        if not incident.resolved_at:
            st.button("Acknowledge", on_click=act, args=(partial(_acknowledge, settings, incident.id),))
        st.button("Add note", on_click=act, args=(partial(_add_note, settings, incident.id),))


def _acknowledge(settings: Settings, number: int, author: str) -> tuple[bool, Sequence[str]]:
    told = incident_comments.acknowledge(settings, number, author=author, at=shared_now(settings.database))
    return True, [f"incident {number}: {told.acknowledged_by} looks after it"]


def _add_note(settings: Settings, number: int, author: str) -> tuple[bool, Sequence[str]]:
    incident_comments.add_note(settings, number, _entered("note"), author=author, at=shared_now(settings.database))
    st.session_state[_key("note")] = ""
    return True, [f"incident {number}: the note is added"]


def _key(name: str) -> str:
    return f"operate_{name}"


def _entered(name: str) -> str:
    return str(st.session_state.get(_key(name)) or "")


def _end(settings: Settings, override: Override, author: str) -> tuple[bool, Sequence[str]]:
    result = end_override(
        settings, OperatorRequest(kind=override.kind, subject=override.subject, reason="", author=author)
    )
    return result.good, result.lines


def _act(sign_in: SignInSettings, action: Callable[[str], tuple[bool, Sequence[str]]]) -> None:
    """Do it under the name of who is signed in now, and keep what came of it for the next drawing of the page."""
    try:
        said = action(operator_name(st.user.to_dict(), sign_in, utc_now()))
    except (NotAllowedError, RefusedError, DatabaseError) as error:
        said = False, [_on_page(str(error))]
    st.session_state[_SAID] = said


def _on_page(sentence: str) -> str:
    for option, words_here in _OPTIONS.items():
        sentence = sentence.replace(option, words_here)
    return sentence


def _plain(line: str) -> str:
    """A line in which nothing is Markdown."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]<>()#+-.!|~$:" else character for character in line)
