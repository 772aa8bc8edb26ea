"""Workers: listed, made, changed; their links, second factors and sessions. A link is in one answer
only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar, Final

from markupsafe import Markup
from starlette.responses import Response

from almoner.access import accounts, created_by, reset_links, second_factor
from almoner.access.accounts import Account
from almoner.access.created_by import CreatedAccess
from almoner.errors import ApiError, Problem, problem
from almoner.pages import parsing
from almoner.pages.filters import ago, counted, moment
from almoner.pages.forms.inputs import Input
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Offer, RowGroup, Tab
from almoner.pages.sign_in.sign_in_cookies import require_passwords
from almoner.portal import editing
from almoner.portal.admin.object_pages import AdminPages
from almoner.portal.admin_workers import queries
from almoner.portal.admin_workers.invitation import link_secret
from almoner.portal.admin_workers.listing import (
    Listing,
    has_no_way_in,
    has_password_alone,
    state,
)
from almoner.portal.admin_workers.queries import Profile
from almoner.portal.admin_workers.view import EventsPage, RoleBoxes, WorkerView
from almoner.portal.inputs import form_fields, inputs
from almoner.portal.value_words import Zones
from almoner.portal.values import Speaking, facts, names_of, people, value_fields
from almoner.resources.workers import workers
from almoner.vocabulary.kinds import Guid, Problems

_FOLDER: Final = "portal/admin_workers"
_LAST: Final = (
    "This is the last administrator who can sign in: give somebody else the role first, and let"
    " them set a password. Otherwise nobody could administer this environment any more."
)
# What is said of a worker beside the name, which stands above.
_FACTS: Final = [f for f in value_fields(workers) if f.name not in ("first_name", "last_name")]
_NOBODY_FITS: Final = ("Nobody fits", "Another word, or all of them, may have who you look for.")
_EMPTY: Final = ("Nobody here", "No worker of this environment is in this state.")


# The parts of the list by what asks for them: what they are called, and who is in them.
_TABS: Final[Mapping[str, tuple[str, Callable[[Account], bool]]]] = {
    "": ("All", lambda account: True),
    "active": (
        "Active",
        lambda account: bool(account.roles) and not (account.disabled_at or has_no_way_in(account)),
    ),
    "waiting": (
        "Not in yet",
        lambda account: bool(account.roles) and not account.disabled_at and has_no_way_in(account),
    ),
    "one-factor": (
        "Password alone",
        lambda account: not account.disabled_at and has_password_alone(account),
    ),
    "disabled": ("Disabled", lambda account: account.disabled_at is not None),
    "roleless": ("No role", lambda account: not account.roles),
}


class WorkerPages(AdminPages[Account]):
    path = "/admin/workers"
    title = "Workers"
    noun = "worker"
    list_template = f"{_FOLDER}/list.html"
    form_template = f"{_FOLDER}/form.html"
    page_template = f"{_FOLDER}/worker.html"
    remarks = ("A calendar is made along.", "")
    saved = "Saved."
    offers_title = "Signing in"
    actions: ClassVar = {
        "roles": "The roles are saved. They hold from the worker's next click on.",
        "link": "",
        "second-factor": (
            "The second factor is removed. Where a role asks for one, the worker sets up"
            " another at the next sign-in."
        ),
        "sign-out": "The worker is signed out everywhere.",
        "disable": (
            "The account is disabled and signed out everywhere. So have the tokens they made ended."
        ),
        "enable": "The worker can sign in again, with the password and the roles from before.",
    }
    always = ("edit", "roles", "enable")

    async def groups(self) -> Sequence[RowGroup]:
        listed, chosen = await self._accounts(), _TABS[self._tab][1]
        sessions = await self.visit.parts.sessions.counted(self.connection, self.owner)
        at_work = await queries.at_work(self.connection, self.owner, datetime.now(UTC))
        here = Listing(
            visit=self.visit,
            path=self.path,
            sessions=sessions,
            at_work=at_work,
            text=self.visit.query("q"),
        )
        rows = [here.row(each) for each in listed if chosen(each) and here.is_sought(each)]
        return [RowGroup("Workers", rows, _NOBODY_FITS if self.visit.query("q") else _EMPTY)]

    async def tabs(self) -> Sequence[Tab]:
        listed = await self._accounts()
        return [
            Tab(
                f"{self.path}?show={name}" if name else self.path,
                title,
                sum(map(chosen, listed)),
                name == self._tab,
            )
            for name, (title, chosen) in _TABS.items()
        ]

    async def find(self, key: str) -> Account:
        worker_id = Guid().decode(key, "", [])
        account = worker_id and await accounts.find(self.connection, self.owner, worker_id)
        if not account:
            raise problem("not_found", "")
        return account

    def named(self) -> tuple[str, str]:
        return self.subject.worker_id, self.subject.name

    def unusable(self) -> str:
        if self.subject.has_account and not self.subject.disabled_at:
            return ""
        return (
            "This worker has no account that is in use. Give a role, or enable the account, first."
        )

    @cached_property
    def inputs(self) -> Sequence[Input]:
        return inputs(form_fields(workers, new=self.is_new), self.visit)

    async def stored(self) -> Values:
        if self.is_new:
            return {"timezone": self.visit.worker.timezone}
        profile = await queries.profile(self.connection, self.owner, self.subject.worker_id)
        return {control.name: profile.row[control.name] for control in self.inputs}

    async def hidden(self) -> Sequence[tuple[str, str]]:
        if self.is_new or self.errors:
            return editing.sent_again(self.form)
        profile = await queries.profile(self.connection, self.owner, self.subject.worker_id)
        return editing.hidden_fields(profile.updated_at, await self.stored())

    def check(self, values: Values, problems: Problems) -> None:
        problems += self._unknown_roles(self.form.texts("roles"))

    async def create(self) -> Response:
        """The worker, the roles and the link are one transaction: none without the others."""
        store = self.visit.parts.store.within(self.connection)
        roles = self.form.texts("roles")
        written = await store.create(self.visit.actor, workers, self.values)
        if roles:
            await self._give(written.id, roles)
        self.subject, self.is_new = await self.find(written.id), False
        if roles and self.form.truth("invite") and self.visit.parts.sign_in.by_password:
            return await self.link()
        return self.go()

    async def change(self) -> Response:
        account = self.subject
        if self.values["email"] != account.email:
            # Whoever has the address may be let in by an identity provider.
            await self._require_entering()
        result = await editing.update(
            self.visit, workers, account.worker_id, self.values, self.form, within=self.connection
        )
        if isinstance(result, editing.EditConflict):
            titles = {field.name: field.title for field in workers.fields}
            return editing.conflict(self.visit, result, self.form, titles=titles)
        return self.go("changed")

    async def beside(self) -> RoleBoxes:
        return RoleBoxes(queries.role_choices(self.visit.program), self.form.texts("roles"))

    async def view(self) -> WorkerView:
        account, key = self.subject, self.subject.worker_id
        events, more = await queries.events(self.connection, self.owner, key, None)
        created: Sequence[CreatedAccess] = ()
        if account.disabled_at:
            created = await created_by.of_worker(self.connection, self.owner, key)
        profile = await queries.profile(self.connection, self.owner, key)
        zone = self.visit.worker.timezone
        names = await names_of(self.connection, self.owner, people(_FACTS, profile.row))
        words = Speaking(self.visit.program, Zones(zone, zone), names, "")
        return WorkerView(
            account=account,
            profile=profile,
            facts=list(facts(_FACTS, profile.row, words)),
            choices=queries.role_choices(self.visit.program),
            ticked=self.form.texts("roles") if self.errors else account.roles,
            titles=[self.visit.program.role_title(role) for role in account.roles],
            sessions=await self.visit.parts.sessions.listed(self.connection, self.owner, key),
            events=events,
            more=more,
            created=created,
            is_visitor=key == self.visit.worker.worker_id,
            state=state(account) if account.disabled_at or has_no_way_in(account) else None,
        )

    def offers(self, view: WorkerView) -> Iterator[Offer]:
        account, profile, zone = view.account, view.profile, self.visit.worker.timezone
        if not account.has_account:
            return
        if account.disabled_at:
            about = "Enabled, it has the password, the second factor and the roles from before."
            yield Offer("enable", "The account is disabled", about, "Enable", tone="primary")
            return
        yield self._way_in(account, profile)
        if account.second_factor:
            yield Offer(
                "second-factor",
                "Second factor",
                "Set: a code of an app is asked for at each sign-in.",
                "Remove",
                question=(
                    f"Remove the second factor of {account.name}? Until they set up another, their"
                    " password alone is enough. Be sure that it is they who asked."
                ),
                yes="Remove it",
            )
        else:
            about = "None. They set one up under Your account; a role can ask for it."
            yield Offer("second-factor", "Second factor", about)
        who, many = "yourself" if view.is_visitor else account.name, len(view.sessions)
        line = Markup("Signed in {}, active {}")
        yield Offer(
            "sign-out",
            counted(many, "open session"),
            Markup("<br>").join(
                line.format(moment(session.created_at, zone), ago(session.seen_at, zone))
                for session in view.sessions
            ),
            "Sign out everywhere" if many else "",
            question=(
                f"Sign {who} out everywhere? {counted(many, 'session ends', 'sessions end')}, and"
                " what is typed and not saved there cannot be sent any more."
            ),
            yes="Sign out everywhere",
        )
        first, coached = account.first_name, profile.coached
        patients = counted(coached, "patient keeps", "patients keep")
        keep = f"{patients} {first} as coach until you give them another."
        them = f"{patients} them as coach. " if coached else ""
        yield Offer(
            "disable",
            "Disable the account",
            f"{keep if coached else f'No patient has {first} as coach.'} It can be undone.",
            "Disable",
            question=(
                f"Disable {account.name}? {counted(many, 'open session ends', 'open sessions end')}"
                " at once, a link that was made cannot be used, and they cannot sign in."
                f" {them}What they wrote stays. You can enable them again."
            ),
            yes="Disable",
        )

    async def roles(self) -> None:
        roles, key = self.form.texts("roles"), self.subject.worker_id
        added = [role for role in roles if role not in self.subject.roles]
        if unknown := self._unknown_roles(added):
            raise ApiError(unknown)
        await self._require_administrator(roles, ".roles")
        await self._give(key, roles)

    async def link(self) -> Response:
        require_passwords(self.visit)
        key = self.subject.worker_id
        token = await reset_links.make(
            self.connection, self.owner, key, self.by, self.visit.program.roles
        )
        again = self.subject.has_password
        title = "A link to set a new password" if again else "An invitation link"
        return await self.show(link_secret(self.visit, token, title, self.subject.name))

    async def second_factor(self) -> None:
        await self._require_entering()
        await second_factor.remove(self.connection, self.owner, self.subject.worker_id, self.by)

    async def disable(self) -> None:
        await self._require_administrator((), ".disable")
        await accounts.disable(self.connection, self.owner, self.subject.worker_id, self.by)

    async def enable(self) -> None:
        key, in_force = self.subject.worker_id, self.visit.program.roles
        await accounts.enable(self.connection, self.owner, key, self.by, in_force)

    async def sign_out(self) -> None:
        key = self.subject.worker_id
        await accounts.sign_out_everywhere(self.connection, self.owner, key, self.by)

    async def show_events(self) -> Response:
        """Older events of the account."""
        before, key = parsing.whole(self.visit.query("before")), self.subject.worker_id
        events, more = await queries.events(self.connection, self.owner, key, before)
        if not self.visit.is_fragment:
            return self.visit.go(f"{self.here}#events")
        return self.visit.fragment(f"{_FOLDER}/events.html", EventsPage(self.here, events, more))

    @property
    def _tab(self) -> str:
        show = self.visit.query("show")
        return show if show in _TABS else ""

    async def _accounts(self) -> list[Account]:
        return await accounts.list_accounts(self.connection, self.owner)

    def _way_in(self, account: Account, profile: Profile) -> Offer:
        if not self.visit.parts.sign_in.by_password:
            about = (
                "Through the identity provider, by this e-mail address; passwords are turned off"
                " here."
            )
            return Offer("link", "Signing in", about)
        about = "They have set no password yet."
        if account.has_password:
            about = "Set. A link lets them set another, which signs them out everywhere."
        if profile.link_until:
            ends = moment(profile.link_until, self.visit.worker.timezone)
            words = Markup("A link was made; unused, it ends {}. A new one ends it at once.")
            about = words.format(ends)
        if account.single_sign_on:
            about += " They also sign in through the identity provider."
        if account.has_password:
            return Offer("link", "Password", about, "Make a reset link")
        return Offer("link", "Invitation", about, "Make an invitation link")

    async def _give(self, worker_id: str, roles: Collection[str]) -> None:
        await accounts.set_roles(
            self.connection,
            self.owner,
            worker_id=worker_id,
            roles=roles,
            by=self.by,
            in_force=self.visit.program.roles,
        )

    async def _require_entering(self) -> None:
        key, in_force = self.subject.worker_id, self.visit.program.roles
        await accounts.require_entering(self.connection, self.owner, key, self.by, in_force)

    async def _require_administrator(self, roles: Collection[str], path: str) -> None:
        key = self.subject.worker_id
        if not await queries.leaves_an_administrator(self.visit, self.connection, key, roles):
            raise problem("bad_request", _LAST, path=path)

    def _unknown_roles(self, roles: Collection[str]) -> Problems:
        unknown = [role for role in roles if role not in self.visit.program.roles]
        listed = ", ".join(unknown)
        text = f"There is no role {listed} any more. Choose from those that are shown."
        return [Problem("bad_request", text, {"path": ".roles"})] if unknown else []


ROUTES: Final = (
    *WorkerPages.routes(),
    WorkerPages.get(f"{WorkerPages.path}/{{id}}/events", WorkerPages.show_events),
)
