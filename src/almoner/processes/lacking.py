"""What a process needs and an environment does not have: a hook that is open, a webhook that is
declared, somebody who has a role.

The program names them, and is copied and published; they are the environment's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from almoner.database import Connection
from almoner.workshop.process_design import Process

_THERE: Final = """
SELECT 'hook' AS kind, name FROM process_hooks WHERE environment_id = $1
UNION ALL SELECT 'webhook', name FROM process_webhooks WHERE environment_id = $1
UNION ALL SELECT DISTINCT 'role', unnest(roles) FROM worker_accounts
WHERE environment_id = $1 AND disabled_at IS NULL
"""
_WORDS: Final = {
    "hook": (
        "This process begins with a call of the hook {name}, which is not open in this environment:"
        " open it."
    ),
    "webhook": (
        "This process calls the webhook {name}, which this environment does not have: declare it."
    ),
    "role": (
        "This process needs somebody of the role {name}, which nobody who may sign in has: give it"
        " to somebody."
    ),
}
Kind = Literal["hook", "webhook", "role"]


@dataclass(frozen=True)
class Need:
    """What a process needs. ``place`` numbers the action that needs it; None for what sets the
    process off.
    """

    kind: Kind
    name: str
    place: int | None = None

    @property
    def text(self) -> str:
        """That it is lacking, and what to do."""
        return _WORDS[self.kind].format(name=self.name)


def needs(process: Process) -> Iterator[Need]:
    """What a process needs of the environment that it runs in."""
    awaited = process.wait.awaited if process.wait is not None else None
    for trigger in (process.when, awaited):
        if trigger is not None and trigger.hook:
            yield Need("hook", trigger.hook)
    for place, action in enumerate(process.actions):
        if action.webhook:
            yield Need("webhook", action.webhook, place)
        if action.role:
            yield Need("role", action.role, place)


async def lacking(
    connection: Connection, environment_id: int, processes: Sequence[Process]
) -> dict[str, tuple[Need, ...]]:
    """By the name of each of these processes, what it needs and the environment does not have."""
    there = {(row["kind"], row["name"]) for row in await connection.fetch(_THERE, environment_id)}
    return {
        process.name: tuple(need for need in needs(process) if (need.kind, need.name) not in there)
        for process in processes
    }
