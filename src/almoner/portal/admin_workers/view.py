"""What the templates of workers see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from almoner.access.accounts import Account
from almoner.access.created_by import CreatedAccess
from almoner.access.sessions import OpenSession
from almoner.pages.objects.views import Chip
from almoner.portal.admin_workers.queries import AccountEvent, Profile, RoleChoice
from almoner.portal.values import Fact


@dataclass(frozen=True)
class RoleBoxes:
    """The roles to tick beside the form of a new worker."""

    choices: Sequence[RoleChoice]
    ticked: Collection[str]


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    """One worker. ``facts`` are what the declaration of workers says of one beside the name, in
    words. ``ticked`` are the roles as the form has them, ``titles`` what theirs are called.

    ``created`` is what they made that works still, to be looked at where the account is disabled.
    ``is_visitor``: it is whoever looks at the page.
    """

    account: Account
    profile: Profile
    facts: Sequence[Fact]
    choices: Sequence[RoleChoice]
    ticked: Collection[str]
    titles: Sequence[str]
    sessions: Sequence[OpenSession]
    events: Sequence[AccountEvent]
    more: bool
    created: Sequence[CreatedAccess]
    is_visitor: bool
    state: Chip | None


@dataclass(frozen=True)
class EventsPage:
    """Further events of a worker, put below those that are shown."""

    path: str
    events: Sequence[AccountEvent]
    more: bool
