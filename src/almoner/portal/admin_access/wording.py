"""What somebody did to accounts and other ways in, as a sentence says it after who did it; and what
it was and is, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from almoner.access.worker_events import WorkerEvent
from almoner.resources import BY_NAME
from almoner.vocabulary.definitions import Program

# What is done goes before what it is done to, or around it.
SENTENCES: Final[Mapping[str, str]] = {
    "signed in": "signed in",
    "sign-in failed": "was refused at signing in",
    "signed out": "signed out",
    "signed out everywhere": "ended every session of {}",
    "reset link made": "made a link for a new password of {}",
    "reset link used": "set a password by a link",
    "password set": "set the password of {}",
    "second factor set": "set up a second factor",
    "second factor removed": "removed the second factor of {}",
    "recovery codes made": "made recovery codes",
    "recovery code used": "signed in with a recovery code",
    "roles set": "set the roles of {}",
    "disabled": "disabled {}",
    "enabled": "let {} in again",
    "working hours set": "set the working hours of {}",
    "absence set": "entered an absence of {}",
    "absence removed": "removed an absence of {}",
    "calendar feed made": "made a calendar feed of {}",
    "calendar feed renewed": "renewed the calendar feed of {}",
    "calendar feed ended": "ended the calendar feed of {}",
    "data export begun": "began an export of data",
    "data exported": "exported data",
    "data import begun": "began an import",
    "data import taken back": "took an import back",
    "audit trail exported": "exported the audit trail",
    "messages queued": "recorded a message to many",
    "messages taken back": "took a message to many back",
    "client made": "made the client {}",
    "client changed": "changed the client {}",
    "client disabled": "disabled the client {}",
    "secret made": "made a secret of the client {}",
    "secret ended": "ended a secret of the client {}",
    "token made": "made a token of the client {}",
    "tokens ended": "ended all tokens of the client {}",
    "webhook made": "made the webhook {}",
    "webhook changed": "changed the webhook {}",
    "webhook paused": "paused the webhook {}",
    "webhook resumed": "resumed the webhook {}",
    "webhook deleted": "deleted the webhook {}",
    "integration set": "set up the integration {}",
    "hook made": "made an address that the process {} is begun by",
    "hook closed": "closed the address that the process {} was begun by",
    "processes paused": "paused the processes of {}",
    "processes resumed": "resumed the processes of {}",
    "failure tried again": "had a failure of {} tried again",
    "failure dismissed": "dismissed a failure of {}",
    "failure taken": "took a failure of {}",
    "failure left": "left a failure of {} to whoever administers",
    "failure brought back": "brought a failure of {} back",
    "job begun": "began a job of {}",
    "job called off": "called off a job of {}",
    "job run again": "had a job of {} run again",
    "environment made": "made the environment {}",
    "environment moved": "moved the environment {}",
    "clock moved": "moved the clock of {}",
    "program published": "published the program",
    "publish asked": "asked for a program to be published",
    "publish refused": "refused to publish a program",
    "publish withdrawn": "withdrew a program that was to be published",
    "publish replaced": "asked for another program to be published",
    "patient exported": "exported all of the patient {}",
    "erasure asked": "asked for the patient {} to be erased",
    "erasure refused": "refused to erase the patient {}",
    "erasure withdrawn": "withdrew the erasure of the patient {}",
    "erasure hold placed": "kept the patient {} from being erased",
    "erasure hold ended": "no longer keeps the patient {} from being erased",
    "patient erased": "erased the patient {}",
    "retention set": "set how long the log {} is kept",
    "retention hold placed": "kept all logs from being cut",
    "retention hold ended": "lets logs be cut again",
}
# What the kinds of events are about, as one narrows by it.
GROUPS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "accounts": (
        "Accounts and roles",
        ("roles", "disabled", "enabled", "reset", "password", "second", "recovery"),
    ),
    "sign-ins": ("Sign-ins", ("signed", "sign-in")),
    "clients": ("Clients, secrets, tokens", ("client", "secret", "token", "tokens")),
    "webhooks": ("Webhooks and integrations", ("webhook", "integration", "hook", "job", "failure")),
    "program": ("Program and environments", ("program", "publish", "environment", "clock")),
    "data": ("Exports and imports", ("data", "audit", "messages")),
    "people": ("Erasure and retention", ("patient", "erasure", "retention")),
    "calendars": ("Calendars", ("working", "absence", "calendar")),
    "processes": ("Processes", ("processes",)),
}
_TITLES: Final = {
    "base_url": "Address",
    "notify_url": "Address",
    "token_url": "Address for tokens",
    "url": "Address",
    "client_id": "Client id",
    "client_secret": "Client secret",
    "scope": "May",
    "scopes": "May",
    "may": "May",
    "widens": "Gives more to",
    "hidden": "Does not see",
    "for_tests": "For tests",
    "second_factor": "Second factor",
    "seconds_ahead": "Seconds ahead",
}


def kinds_of(group: str) -> tuple[str, ...]:
    """The kinds of events of a group, which are told apart by their first words; all where there is
    no such group.
    """
    _, words = GROUPS.get(group, ("", ()))
    return tuple(kind for kind in SENTENCES if kind.partition(" ")[0] in words)


def sentence(kind: str) -> str:
    """What was done, with ``{}`` where what it was done to is called by its name; of a kind of an
    earlier version, its own words.
    """
    return SENTENCES.get(kind, f"{kind} {{}}")


def details(event: WorkerEvent, program: Program) -> str:
    """What was noted beside an event; of roles, what people call them."""
    if event.event != "roles set":
        return event.detail
    roles = event.detail.split(", ") if event.detail != "none" else []
    return ", ".join(map(program.role_title, roles)) or "no role"


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], program: Program
) -> tuple[tuple[str, str, str], ...]:
    """What it was and is, by what people call it."""
    names = dict.fromkeys((*before, *after))
    return tuple(
        (_title(name, program), words(name, before.get(name)), words(name, after.get(name)))
        for name in names
    )


def words(name: str, value: Any) -> str:
    """A value that is noted, for people; blank where there is none."""
    if isinstance(value, Mapping):
        return "; ".join(
            f"{_plain(inner)}: {words(inner, inside)}" for inner, inside in value.items() if inside
        )
    if name in ("scope", "scopes"):
        return _scopes(value.split() if isinstance(value, str) else value or ())
    if isinstance(value, list):
        return ", ".join(str(each).replace("_", " ") for each in value) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _title(name: str, program: Program) -> str:
    if name.startswith("role "):
        return f"Role {program.role_title(name.removeprefix('role '))}"
    return _TITLES.get(name) or _plain(name)


def _plain(name: str) -> str:
    text = _TITLES.get(name) or name.replace("_", " ")
    return f"{text[:1].upper()}{text[1:]}"


def _scopes(scopes: Sequence[str]) -> str:
    """``patients.read patients.write`` as ``Patients (read, write)``."""
    verbs: dict[str, list[str]] = {}
    for scope in scopes:
        collection, _, verb = scope.partition(".")
        verbs.setdefault(collection, []).append(verb)
    return ", ".join(
        (BY_NAME[name].title if name in BY_NAME else _plain(name))
        + (f" ({', '.join(each)})" if any(each) else "")
        for name, each in verbs.items()
    )
