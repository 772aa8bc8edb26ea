"""The rows of the list of workers: how each stands, who fits what is looked for, and what can be
done without opening one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from almoner.access.accounts import Account
from almoner.pages.filters import ago, counted
from almoner.pages.objects.views import Chip, Offer
from almoner.pages.visit import Visit
from almoner.portal.admin_workers.queries import AtWork
from almoner.portal.admin_workers.view import WorkerRow

_HERE: Final = AtWork("", None)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What the rows are made of: the address of the list, the open sessions and the work of each
    worker by id, and the text that is looked for.
    """

    visit: Visit
    path: str
    sessions: Mapping[str, int]
    at_work: Mapping[str, AtWork]
    text: str

    def is_sought(self, account: Account) -> bool:
        """Whether every word of the text is in the name, the e-mail address or a role's title."""
        texts = (account.name, account.email, self._roles(account))
        there = " ".join(map(_plain, texts))
        return all(word in there for word in _plain(self.text).split())

    def row(self, account: Account) -> WorkerRow:
        key, zone = account.worker_id, self.visit.worker.timezone
        at_work, sessions = self.at_work.get(key, _HERE), self.sessions.get(key, 0)
        return WorkerRow(
            name=account.name,
            path=f"{self.path}/{key}",
            aside=account.email,
            chips=[state(account)],
            person=(account.first_name, account.last_name),
            roles=self._roles(account),
            last_active=ago(account.last_seen_at, zone) if account.last_seen_at else "never",
            sessions=sessions,
            caseload=at_work.caseload,
            away_until=at_work.away_until,
            offers=tuple(self._offers(account, sessions)),
            handover=f"/handover?from={key}" if at_work.caseload else "",
        )

    def _roles(self, account: Account) -> str:
        return ", ".join(map(self.visit.program.role_title, account.roles))

    def _offers(self, account: Account, sessions: int) -> Iterator[Offer]:
        if not account.has_account:
            return
        if account.disabled_at:
            yield Offer("enable", "", "", "Enable")
            return
        if self.visit.parts.sign_in.by_password:
            kind = "a reset link" if account.has_password else "an invitation link"
            yield Offer("link", "", "", f"Make {kind}")
        if sessions:
            ends = counted(sessions, "open session ends", "open sessions end")
            question = f"Sign {account.name} out everywhere? {ends}."
            yield Offer(
                "sign-out", "", "", "Sign out everywhere", question=question, yes="Sign out"
            )
        question = (
            f"Disable {account.name}? They are signed out everywhere and cannot sign in. What they"
            " wrote and their caseload stay. You can enable them again."
        )
        yield Offer("disable", "", "", "Disable", question=question, yes="Disable", tone="bad")


def has_no_way_in(account: Account) -> bool:
    return not (account.has_password or account.single_sign_on)


def has_password_alone(account: Account) -> bool:
    return account.has_password and not (account.second_factor or account.single_sign_on)


def state(account: Account) -> Chip:
    """What an account signs in with, or why it cannot."""
    if account.disabled_at:
        return Chip("disabled", "bad")
    if not account.roles:
        return Chip("no role")
    if has_no_way_in(account):
        return Chip("not in yet", "warn")
    if account.second_factor:
        return Chip("second factor", "good")
    return Chip("single sign-on", "good") if account.single_sign_on else Chip("password alone")


def _plain(text: str) -> str:
    """Small letters without what stands above or below them."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))
