"""Hooks of processes: opened with a secret that is shown once, and closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from almoner.errors import problem
from almoner.pages.objects.views import Chip, ObjectRow, Offer, RowGroup, dotted
from almoner.processes import hooks
from almoner.processes.hooks import HOOKS, OpenHook
from almoner.workshop.pages.automation.reading import sees_patients
from almoner.workshop.pages.hook_pages import MOST, WAYS, HookCall, HookPages, HookView
from almoner.workshop.pages.named_by_processes import named_by_processes

_EMPTY: Final = (
    "No process waits for a call",
    "A process that begins with the call of a hook names it. Its address and its secret are then"
    " made here.",
)


@dataclass(frozen=True)
class ProcessHook:
    """A hook that the program names, or that is open; ``hook`` is None where it is not.
    ``processes`` are the titles of those that begin with it."""

    name: str
    hook: OpenHook | None
    processes: Sequence[str]

    @property
    def state(self) -> Chip:
        """Whether it is open, in words."""
        if self.hook is not None:
            return Chip(f"open, {WAYS[self.hook.way]}", "good")
        return Chip("not open", "warn")

    @property
    def begins(self) -> str:
        """What it begins, in words."""
        return f"begins {', '.join(self.processes)}" if self.processes else "begins no process"


@dataclass(frozen=True)
class ProcessHookView:
    """The page of a hook. ``hook`` is None where it is not open."""

    it: ProcessHook
    hook: HookView | None


class ProcessHookPages(HookPages[ProcessHook]):
    path = "/workshop/process-hooks"
    title = "Process hooks"
    noun = "hook"
    key = "name"
    page_template = "workshop/pages/process_hooks/hook.html"
    hooks = HOOKS
    call_does = "The partner says that something happened to a patient"
    closed = "The partner sets off no process any more."
    actions: ClassVar = HookPages.hook_actions

    def named(self) -> tuple[str, str]:
        return self.subject.name, self.subject.name

    def way(self) -> str:
        return self.subject.hook.way if self.subject.hook else ""

    async def groups(self) -> Sequence[RowGroup]:
        rows = [self._row(hook) for _, hook in sorted((await self._there()).items())]
        return [RowGroup("Addresses by which other systems set processes off", rows, _EMPTY)]

    async def find(self, key: str) -> ProcessHook:
        there = await self._there()
        if key not in there:
            raise problem("not_found", self.missing.format(self.noun))
        return there[key]

    async def calls(self) -> Sequence[HookCall]:
        rows = await hooks.latest(self.connection, self.owner, self.subject.name, MOST)
        sees = sees_patients(self.visit)
        return [
            HookCall(row["received_at"], f"/patients/{row['patient_id']}" if sees else "")
            for row in rows
        ]

    async def view(self) -> ProcessHookView:
        return ProcessHookView(self.subject, await self.hook_view())

    def offers(self, view: ProcessHookView) -> Iterator[Offer]:
        return self.hook_offers()

    async def _there(self) -> Mapping[str, ProcessHook]:
        there = await hooks.all_of(self.connection, self.owner)
        named = await named_by_processes(self.visit, self.connection, "hook")
        return {
            name: ProcessHook(name, there.get(name), named.get(name, ()))
            for name in {*there, *named}
        }

    def _row(self, it: ProcessHook) -> ObjectRow:
        return ObjectRow(
            name=it.name,
            path=f"{self.path}/{it.name}",
            lines=[dotted(it.begins, HOOKS.address(self.visit.parts.url, it.name))],
            chips=[it.state],
        )


ROUTES: Final = ProcessHookPages.routes()
