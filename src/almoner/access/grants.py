"""Authority to grant: asked by whatever gives somebody a right, so that nobody hands on what they
do not hold (decision 20).

A worker hands on what the roles open: ``integrate`` opens the API as far as the worker's roles show
what is in it, ``administer`` gives roles, longer tokens and the scope ``all``. A program hands on
its scopes. Whoever runs the server hands on everything, at its command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from almoner.access import policy
from almoner.errors import ApiError, Problem, problem
from almoner.vocabulary.definitions import (
    ANSWERS,
    NO_RIGHTS,
    NOTES,
    RECORDS,
    Program,
    Rights,
)

# A token that is good for more days is a door that stays open: only who administers makes one.
MOST_DAYS: Final = 90
# What the API tells of no patient; everything else it has is about patients.
OF_NO_PATIENT: Final = frozenset({"workers", "calendars", policy.PROGRAM, policy.SUBSCRIPTIONS})
# What of a collection a role may hide, as words stand before its name.
_OF_HIDDEN: Final = {ANSWERS: "answers to", RECORDS: "records of", NOTES: "notes of"}
# Permissions with which somebody reaches what is known of patients: in the portal, through a
# program, by an export.
_SHOWING: Final = frozenset({"give_care", "integrate", "administer"})


@dataclass(frozen=True, slots=True)
class Authority:
    """What somebody holds, and so may hand on: a worker ``rights``, a program ``scopes``;
    ``everything`` at the command line.
    """

    rights: Rights = NO_RIGHTS
    scopes: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def administers(self) -> bool:
        """Whether it is that of an administrator, or of whoever runs the server."""
        return self.everything or "administer" in self.rights.may


NOTHING: Final = Authority()
EVERYTHING: Final = Authority(everything=True)


@dataclass(frozen=True, slots=True)
class Grant:
    """What is to be handed on: ``scopes`` of the API, for ``days`` where a token has them, and
    ``rights`` beyond those ``had``.
    """

    scopes: tuple[str, ...] = ()
    days: int = 0
    rights: Rights = NO_RIGHTS
    had: Rights = NO_RIGHTS


def require(holds: Authority, grant: Grant, path: str = "") -> None:
    """Raises a 403 ``ApiError`` that names what goes beyond what is held. ``path`` is the field
    that asked for it.
    """
    missing = beyond(holds, grant)
    if missing:
        detail = (
            f"This would hand on what you do not hold yourself: {', '.join(missing)}. Leave it out,"
            " or ask an administrator."
        )
        raise ApiError(Problem("forbidden", detail, {"path": path} if path else {}))


def beyond(holds: Authority, grant: Grant) -> tuple[str, ...]:
    """What of a grant goes beyond what is held, each in some words; empty where all of it may be
    handed on.
    """
    if holds.everything:
        return ()
    missing = [scope for scope in grant.scopes if not _may_open(holds, scope)]
    if grant.days > MOST_DAYS and not holds.administers:
        missing.append(f"a token for more than {MOST_DAYS} days")
    return (*missing, *_rights_beyond(holds.rights, grant.rights, grant.had))


def reading(resources: Iterable[str]) -> Grant:
    """What a subscription hands on: that somebody hears of every change to these collections."""
    return Grant(scopes=tuple(f"{name}.read" for name in resources))


def grantable(holds: Authority, collections: Collection[str]) -> frozenset[str]:
    """Every scope that may be handed on."""
    every = (
        f"{about}.{right}"
        for about, rights in policy.grantable(collections).items()
        for right in rights
    )
    return frozenset(
        scope for scope in (policy.ALL, *every) if not beyond(holds, Grant(scopes=(scope,)))
    )


def require_second_person(holds: Authority, actor: str, asked_by: str) -> None:
    """Raises a 403 ``ApiError`` unless this is somebody else than who asked, and administers."""
    if not holds.administers:
        raise problem("forbidden", "Only somebody who administers can decide this.")
    if actor == asked_by:
        raise problem(
            "forbidden",
            "You asked for this yourself. Another administrator decides, or the command line of the"
            " server.",
        )


def widened(
    before: Mapping[str, Rights], after: Mapping[str, Rights], role_sets: Iterable[Collection[str]]
) -> tuple[str, ...]:
    """In sentences, how roles that are in force would open more to those who have them, or ask for
    less when they sign in.

    ``role_sets`` are the sets of roles that workers have, those included that no program knows any
    more. A role that is new and that nobody has opens nothing to anybody: whoever gives it is asked
    then.
    """
    sentences = [
        f"The role {name} {text}."
        for name in before
        if name in after
        for text in _more(before[name], after[name])
    ]
    if sentences:
        return tuple(sentences)
    old, new = Program(roles=before), Program(roles=after)
    together = sorted({tuple(sorted(roles)) for roles in role_sets})
    return tuple(
        f"Whoever has the roles {', '.join(roles)} {text}."
        for roles in together
        for text in _more(old.rights(roles), new.rights(roles))
        if roles
    )


def _may_open(holds: Authority, scope: str) -> bool:
    rights = holds.rights
    if "integrate" not in rights.may:
        return not policy.beyond((scope,), holds.scopes)
    about = scope.rpartition(".")[0]
    if scope == policy.ALL:
        return holds.administers and _sees_everything(rights)
    if about in OF_NO_PATIENT:
        return True
    if about == policy.CHANGES:
        return _sees_everything(rights)
    return rights.all_patients and not rights.hidden.get(about)


def _sees_everything(rights: Rights) -> bool:
    return rights.all_patients and not any(rights.hidden.values())


def _rights_beyond(holds: Rights, granted: Rights, had: Rights) -> Iterator[str]:
    # Whoever administers makes accounts and the links into them: every permission is theirs to
    # give. What is hidden from them is not.
    if "administer" not in holds.may:
        yield from sorted(granted.may - had.may - holds.may)
    if not _shows(granted):
        return
    had_before = had if _shows(had) else None
    if (
        granted.all_patients
        and not holds.all_patients
        and not (had_before and had_before.all_patients)
    ):
        yield "patients of others"
    for about, what in _OF_HIDDEN.items():
        before = had_before.hidden[about] if had_before else None
        yield from _uncovered(holds.hidden[about], granted.hidden[about], before, what)


def _uncovered(
    own: frozenset[str], granted: frozenset[str], before: frozenset[str] | None, what: str
) -> Iterator[str]:
    """What is hidden from who grants and would be shown; None for ``before`` where nothing was
    shown.
    """
    for name in sorted(own - granted):
        if before is None or name in before:
            yield f"{what} {name}"


def _shows(rights: Rights) -> bool:
    return bool(rights.may & _SHOWING)


def _more(before: Rights, after: Rights) -> Iterator[str]:
    """How ``after`` goes beyond ``before``, each as the rest of a sentence."""
    if after.may - before.may:
        yield (
            "may also"
            f" {' and '.join(name.replace('_', ' ') for name in sorted(after.may - before.may))}"
        )
    if after.may and after.all_patients and not before.all_patients:
        yield "sees all patients, not only those whose coach the worker is"
    revealed = {
        name for about, names in before.hidden.items() for name in names - after.hidden[about]
    }
    if after.may and revealed:
        yield f"sees what was hidden: {', '.join(sorted(revealed))}"
    if after.may and before.second_factor and not after.second_factor:
        yield "is no longer asked for a second factor"
