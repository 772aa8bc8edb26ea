"""What a step is, what came of it, and who knows how it is done."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable
from uuid import UUID, uuid5

import msgspec

from almoner.database import Connection, Database
from almoner.errors import UnavailableError

# Where a step is: it waits for its turn; somebody does it; it waits for steps of its own; it is
# done; it was tried often enough; trying it again as it is would be no use; somebody called it off;
# it belongs to an earlier run of what was run again since.
READY: Final = "ready"
RUNNING: Final = "running"
BLOCKED: Final = "blocked"
DONE: Final = "done"
FAILED: Final = "failed"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
SUPERSEDED: Final = "superseded"
# Where earlier runs of a step stand among its calls, which are numbered from 0 or 1 on.
EARLIER: Final = -1
OPEN: Final = (READY, RUNNING, BLOCKED)
UNSUCCESSFUL: Final = (FAILED, REFUSED, CANCELLED)


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step to be remembered. ``call`` and ``place`` number it among the steps of its parent;
    ``args`` is JSON; ``wait`` is after how many seconds it is due. ``key`` as a ``Step`` has it.
    """

    id: str
    name: str
    args: Any
    call: int = 0
    place: int = 0
    wait: float = 0.0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A step in the hands of a runner. ``attempts`` counts this try; ``claims`` is what its end is
    fenced with. ``key`` tells its place in the job: another run of the job has a step of the same
    key there.
    """

    environment_id: int
    id: str
    job_id: str
    parent_id: str | None
    queue: str
    name: str
    args: Any
    attempts: int
    claims: int
    key: str

    @property
    def effects_key(self) -> str:
        """What others know its effects by: the same in each try, and in each run that gives it the
        same to do.
        """
        if self.key == self.id:
            return self.id
        args = msgspec.json.encode(self.args, order="deterministic").decode()
        return str(uuid5(UUID(self.key), args))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: the state that the step is in then. ``result`` is JSON; ``note`` is
    what the handler leaves for its own ``settled``. ``wait`` is after how many seconds a step that
    is ready again is due; ``untried``: it was only looked at, which counts as no try."""

    state: str
    result: Any = None
    note: Any = None
    wait: float = 0.0
    untried: bool = False


class StepRun:
    """One try of a step: its transaction is opened by who first writes in it, and committed with
    the step's new state.
    """

    def __init__(self, database: Database, step: Step) -> None:
        self.database = database
        self.step = step
        self._opened = AsyncExitStack()
        self._connection: Connection | None = None

    @property
    def writes(self) -> bool:
        """Whether the transaction is open: from then on nobody outside is waited for."""
        return self._connection is not None

    async def transaction(self) -> Connection:
        """The connection of the step's transaction. To be called in the task that runs the step."""
        if self._connection is None:
            self._connection = await self._opened.enter_async_context(self.database.transaction())
        return self._connection

    async def commit(self) -> None:
        """Ends the transaction; what was written stands."""
        await self._opened.aclose()
        self._connection = None

    async def undo(self, error: BaseException) -> None:
        """Ends the transaction, if it is open; nothing that was written stands, also where its
        session has ended already.
        """
        if self._connection is None:
            return
        with suppress(UnavailableError):
            await self._opened.__aexit__(type(error), error, error.__traceback__)
        self._opened, self._connection = AsyncExitStack(), None


class Handler(Protocol):
    """Who knows how the steps of a queue are done. Each method but ``run`` writes in the
    transaction that moves the steps.
    """

    @property
    def queue(self) -> str:
        """The name of the queue."""

    @property
    def concurrency(self) -> int:
        """How many of its steps may run at once in one environment, over all runners."""

    async def claimed(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> None:
        """The steps are about to run."""

    async def run(self, run: StepRun) -> Outcome:
        """Does a step. What it raises counts as a fault, and is tried again a few times."""

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        """The steps have come to these outcomes."""

    async def released(
        self, connection: Connection, environment_id: int, step_ids: Sequence[str]
    ) -> None:
        """Who ran these steps is gone; they are ready again."""


@runtime_checkable
class SetHandler(Handler, Protocol):
    """Who can do several steps in one transaction. Those that were tried before are done alone:
    what ends whoever does them ends no others then.
    """

    @property
    def portion(self) -> int:
        """How many at most."""

    def goes_together(self, step: Step) -> bool:
        """Whether a step can be done with others: it waits for nobody outside."""

    async def run_together(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> Sequence[tuple[Step, Outcome]]:
        """Does steps in the transaction that moves them; those that it leaves out are done alone.
        Where it raises, nothing of it stands, and each is.
        """


class PlainHandler:
    """What a ``Handler`` does of whose steps nothing is written as they are taken or given back:
    what they are of is under way from elsewhere on.
    """

    async def claimed(
        self, connection: Connection, environment_id: int, steps: Sequence[Step]
    ) -> None:
        """Nothing is written of steps that are about to run."""

    async def released(
        self, connection: Connection, environment_id: int, step_ids: Sequence[str]
    ) -> None:
        """Nothing is written of steps that are ready again."""
