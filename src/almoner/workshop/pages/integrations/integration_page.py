"""Integrations that are installed: set up, switched on and off, given a schedule and a hook, run;
with their jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Final

from starlette.responses import Response

from almoner.errors import ApiError, problem
from almoner.integrations import calls, changed, installed, jobs, schedules
from almoner.integrations.declare import Integration
from almoner.integrations.handler import TASKS
from almoner.integrations.hooks import HOOKS
from almoner.pages.filters import moment
from almoner.pages.forms.inputs import Input, control
from almoner.pages.objects.pages import Values
from almoner.pages.objects.views import Chip, ObjectRow, Offer, RowGroup, dotted
from almoner.resources import BY_NAME
from almoner.vocabulary.kinds import Problems, Text
from almoner.vocabulary.times import Timezone
from almoner.workshop.pages.hook_pages import MOST, WAYS, HookCall, HookPages, HookView
from almoner.workshop.pages.integrations import paging, setup
from almoner.workshop.pages.integrations.paging import Paging
from almoner.workshop.pages.integrations.queries import Read
from almoner.workshop.pages.integrations.task_lines import TONES, lasted

FOLDER: Final = "workshop/pages/integrations"
PATH: Final = "/workshop/integrations"
TITLE: Final = "Integrations"
_EMPTY: Final = (
    "No integrations are installed",
    "An integration brings data in from another system, or out to it. Whoever runs the server"
    " installs it beside Almoner, and begins one with: almoner integration new NAME",
)
_GONE: Final = "It is not installed any more. What it did stays here."
_CRON: Final = (
    "When its jobs begin by themselves, as cron writes it: 0 6 * * 1-5 is six o'clock from Monday"
    " to Friday. Empty for never."
)
# So many of the next times of a schedule are shown.
_UPCOMING: Final = 3


@dataclass(frozen=True, kw_only=True)
class InstalledIntegration:
    """An integration as the environment has it. ``integration`` is None where it is not installed
    any more, ``configured`` where nothing was ever set."""

    name: str
    title: str
    integration: Integration | None
    configured: Mapping[str, Any] | None

    @property
    def state(self) -> Chip:
        """Whether it may run, in a word."""
        if self.integration is None:
            return Chip("not installed", "warn")
        if self.configured is None:
            return Chip("not set up")
        return Chip("on", "good") if self.configured["enabled"] else Chip("off")

    @property
    def begins(self) -> str:
        """What begins its jobs, in words."""
        row = self.configured or {}
        cron = f"on the schedule {row['schedule']}, {row['zone']}" if row.get("schedule") else ""
        way = row.get("hook_way")
        hook = f"begun by its hook, {WAYS[way]}" if way else ""
        return ", and ".join(filter(None, (cron, hook))) or "begun by hand"


@dataclass(frozen=True, kw_only=True)
class JobLine:
    """A job in the list of an integration."""

    id: str
    status: str
    tone: str
    began_at: datetime
    took: str


@dataclass(frozen=True, kw_only=True)
class IntegrationView:
    """The page of an integration. ``settings`` are as people read them, without secrets;
    ``upcoming`` the next times of its schedule (UTC); ``hook`` the hook's address, blank where
    there is none."""

    integration: InstalledIntegration
    about: str
    missing_scopes: Sequence[str]
    settings: Sequence[tuple[str, str]]
    upcoming: Sequence[datetime]
    hook: HookView | None
    jobs: Sequence[JobLine]
    paging: Paging


class IntegrationPages(HookPages[InstalledIntegration]):
    path = PATH
    title = TITLE
    noun = "integration"
    key = "name"
    page_template = f"{FOLDER}/integration.html"
    remarks = ("", "It may use from then on what it asks for.")
    saved = "Saved. The next job goes by it."
    actions: ClassVar = {
        "run": "",
        "on": "It is switched on.",
        "off": "It is switched off: its jobs are refused, and none begins by itself.",
        **HookPages.hook_actions,
    }
    hooks = HOOKS
    call_does = "The partner begins jobs"
    closed = "The partner begins no job any more."

    def named(self) -> tuple[str, str]:
        return self.subject.name, self.subject.title

    def unusable(self) -> str:
        return "" if self.subject.integration else _GONE

    async def groups(self) -> Sequence[RowGroup]:
        there = await self._there()
        latest = await jobs.latest(self.connection, self.owner, there)
        rows = [self._row(there[name], latest.get(name)) for name in sorted(there)]
        return [RowGroup("What runs by itself, or when it is told to", rows, _EMPTY)]

    async def find(self, key: str) -> InstalledIntegration:
        there = await self._there()
        if key not in there:
            raise problem("not_found", self.missing.format(self.noun))
        self._values, self._sealed = dict[str, Any](), frozenset[str]()
        if integration := there[key].integration:
            self._values, self._sealed = await installed.stored(
                self.connection, self.visit.parts.box, self.owner, integration
            )
        return there[key]

    @cached_property
    def inputs(self) -> Sequence[Input]:
        return (
            *setup.inputs(self._integration, self._sealed),
            control("schedule", Text(), hint=_CRON, widget="code"),
            control("zone", Timezone(), "Time zone", "That the schedule is in."),
        )

    def form_title(self) -> str:
        return f"{'Change' if self._is_set_up else 'Set up'} {self.subject.title}"

    async def stored(self) -> Values:
        row = self.subject.configured or {}
        begins = {name: row.get(name) for name in ("schedule", "zone")}
        return setup.texts(self._integration, self._values) | begins

    def check(self, values: Values, problems: Problems) -> None:
        if values["schedule"] and not problems:
            schedules.check(values["schedule"], values["zone"] or "")

    async def change(self) -> Response:
        await self._configure(setup.settings(self._integration, self.values), enabled=True)
        if self._integration.changes:
            await changed.watch(self.connection, self.owner, self.subject.name)
        schedule, zone = self.values["schedule"] or "", self.values["zone"] or ""
        await schedules.set_schedule(
            self.connection, self.owner, self.subject.name, schedule, zone=zone, now=_now()
        )
        return self.go("changed")

    def way(self) -> str:
        return (self.subject.configured or {}).get("hook_way") or ""

    async def calls(self) -> Sequence[HookCall]:
        name = self.subject.name
        rows = await calls.latest(self.connection, self.owner, name, MOST)
        return [HookCall(row["received_at"], f"{PATH}/jobs/{row['job_id']}") for row in rows]

    async def view(self) -> IntegrationView:
        it, row = self.subject, self.subject.configured or {}
        page = paging.number(self.visit.query("page"))
        listed = await jobs.listed(
            self.connection,
            self.owner,
            it.name,
            size=paging.SIZE + 1,
            after=(page - 1) * paging.SIZE,
        )
        missing: Sequence[str] = ()
        if it.integration and it.configured:
            missing = installed.missing_scopes(it.integration, row["scopes"])
        cron = row.get("schedule") if row.get("enabled") else None
        return IntegrationView(
            integration=it,
            about=_about(it),
            missing_scopes=missing,
            settings=self._settings() if it.integration else (),
            upcoming=schedules.upcoming(cron, row["zone"], _now(), _UPCOMING) if cron else (),
            hook=await self.hook_view(),
            jobs=[_job_line(job) for job in listed[: paging.SIZE]],
            paging=paging.around(self.here, page, len(listed) > paging.SIZE),
        )

    def offers(self, view: IntegrationView) -> Iterator[Offer]:
        if self.subject.integration is None:
            return
        about = "A job begins at once, and is done beside this page."
        yield Offer("run", "Run it", about, "Run now", tone="primary")
        if not self._is_set_up:
            return
        name = self.subject.title
        row = self.subject.configured or {}
        if row.get("enabled"):
            yield Offer(
                "off",
                "Switch it off",
                "Its jobs are refused, and none begins by itself.",
                "Switch off",
                f"Switch {name} off? What it does now ends with an error, and no job begins.",
                yes="Switch it off",
            )
        else:
            yield Offer("on", "Switch it on", "Its jobs are done again.", "Switch on")
        yield from self.hook_offers()

    async def run(self) -> Response:
        # What is missing is told before anything is begun.
        await installed.configured(
            self.connection, self.visit.parts.box, self.owner, self._integration
        )
        job_id = await jobs.begin_within(
            self.connection,
            self.visit.parts.store,
            BY_NAME[TASKS],
            self.owner,
            self._integration,
            by=self.visit.by,
        )
        return self.visit.go(f"{PATH}/jobs/{job_id}?done=made")

    async def on(self) -> None:
        await self._configure({}, enabled=True)

    async def off(self) -> None:
        await self._configure({}, enabled=False)

    async def _configure(self, values: Mapping[str, Any], enabled: bool) -> None:
        box = self.visit.parts.box
        try:
            await installed.configure(
                self.connection,
                box,
                self.owner,
                self._integration,
                values,
                enabled=enabled,
                by=self.by,
            )
        except ApiError as error:
            raise self._at_its_field(error) from None

    def _at_its_field(self, error: ApiError) -> ApiError:
        """The same error, where it is about a setting: beside its field."""
        refused = error.problems[0]
        reason, setting = refused.extra.get("reason"), refused.extra.get("setting")
        if not reason:
            return error
        on_page = bool(setting) and setting not in self._integration.of_host
        # What is of the machine, or missing there, no field of the form can mend.
        text = f"{reason}." if on_page else refused.detail
        path = f".{setup.PREFIX}{setting}" if on_page else ""
        return problem("bad_request", text, path=path)

    @property
    def _integration(self) -> Integration:
        return installed.named(self.subject.name)

    @property
    def _is_set_up(self) -> bool:
        return self.subject.integration is not None and self.subject.configured is not None

    def _settings(self) -> list[tuple[str, str]]:
        """What is set, in words: of a secret, that it is."""
        texts = setup.texts(self._integration, self._values)
        words = {name.removeprefix(setup.PREFIX): str(text) for name, text in texts.items()}
        words |= dict.fromkeys(self._sealed, "set, and not shown")
        return [(setup.title(name), text) for name, text in words.items() if text]

    async def _there(self) -> dict[str, InstalledIntegration]:
        configured = await installed.all_configured(self.connection, self.owner)
        known = installed.installed()
        return {
            name: InstalledIntegration(
                name=name,
                title=known[name].title if name in known else name,
                integration=known.get(name),
                configured=configured.get(name),
            )
            for name in {*known, *configured}
        }

    def _row(self, it: InstalledIntegration, job: Read | None) -> ObjectRow:
        zone = self.visit.worker.timezone
        chips = [it.state]
        note = "never run"
        if job:
            chips.append(Chip(f"last job {job['status']}", TONES.get(job["status"], "")))
            note = moment(job["created_at"], zone)
        following = (it.configured or {}).get("next_at")
        next_time = "next " + moment(following, zone) if following else ""
        return ObjectRow(
            name=it.title,
            path=f"{self.path}/{it.name}",
            aside=it.name,
            lines=[dotted(_about(it).removesuffix("."), it.begins, next_time)],
            chips=chips,
            note=note,
        )


def _about(it: InstalledIntegration) -> str:
    return it.integration.about if it.integration else _GONE


def _job_line(row: Read) -> JobLine:
    tone, took = TONES.get(row["status"], ""), lasted(row["created_at"], row["finished_at"])
    return JobLine(
        id=row["job_id"], status=row["status"], tone=tone, began_at=row["created_at"], took=took
    )


def _now() -> datetime:
    return datetime.now(UTC)
