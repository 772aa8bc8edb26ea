"""What the templates of workers see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from almoner.access.accounts import Account
from almoner.access.created_by import CreatedAccess
from almoner.access.sessions import OpenSession
from almoner.pages.objects.views import Chip, ObjectRow, Offer
from almoner.portal.admin_workers.queries import AccountEvent, Profile, RoleChoice
from almoner.portal.values import Fact


@dataclass(frozen=True, kw_only=True)
class WorkerRow(ObjectRow):
    """A worker in the list. ``roles`` are their titles, ``last_active`` says when; the
    number of ``sessions`` is of those that are open. ``caseload`` is blank where they are nobody's
    coach, ``away_until`` (UTC) None where they are here. ``offers`` can be done at once;
    ``handover`` leads to where their caseload is handed over, blank where there is none.
    """

    roles: str
    last_active: str
    sessions: int
    caseload: str
    away_until: datetime | None
    offers: Sequence[Offer]
    handover: str


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
