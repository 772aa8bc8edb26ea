"""What an author declares: the integration, its tasks as functions, and the errors that they
raise.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NewType, TypeVar

import msgspec

# A setting of this type is sealed, and never shown.
Secret = NewType("Secret", str)
# A setting of this type is of the machine that does the work, such as a folder on it: only whoever
# runs that may set it, at its terminal. Of a setting that is no text: ``Annotated[T, OfHost]``.
OfHost = NewType("OfHost", str)
TaskFunction = Callable[..., Coroutine[Any, Any, Any]]
F = TypeVar("F", bound=TaskFunction)
_NAME: Final = r"^[a-z][a-z0-9_]{0,62}$"


class IntegrationError(Exception):
    """What a task ends in that would be no better if it were tried again: its row says ``failed``,
    with this code and message.

    ``code`` is for programs, ``message`` a sentence for people; ``details`` become the error's
    ``extra`` (contract: Model integration-errors)."""

    def __init__(self, code: str, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class TemporaryError(IntegrationError):
    """What may go well the next time: the task is tried again, later each time. ``after``: not
    before so many seconds.
    """

    def __init__(self, code: str, message: str, /, after: float = 0.0, **details: Any) -> None:
        super().__init__(code, message, **details)
        self.after = after


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of an integration that has none."""


class Change(msgspec.Struct, frozen=True):
    """A change that a job begins with. ``kind`` is ``create``, ``update`` or ``delete``; ``fields``
    are those that an update changed; ``user_id`` is the patient whom the row is about, if any.

    It holds no value: what the row says by now, ``store.get`` answers with."""

    collection: str
    id: str
    kind: str
    fields: list[str]
    user_id: str | None
    changed_at: str


@dataclass(frozen=True, slots=True)
class TaskKind:
    """One kind of task: its function, how long one try may take, and how often it is tried."""

    function: TaskFunction
    seconds: float
    attempts: int
    # The types of what it takes beside the task itself, and of what it returns.
    takes: tuple[Any, ...]
    returns: Any

    @property
    def name(self) -> str:
        """The function's name, behind the integration's in ``task_name``."""
        return self.function.__name__


@dataclass(frozen=True)
class Integration:
    """An integration: ``name`` is that of its jobs, ``title`` for people. ``settings`` is a frozen
    msgspec.Struct.

    ``scopes`` is what it asks for of the data, as a client's scope is written; ``scopes_of`` what
    it asks for besides with these settings. ``concurrency``: so many of its tasks run at once in
    one environment. ``changes`` has the collections whose changes begin a job by themselves, each
    with the fields that an update must be of; none for any."""

    name: str
    title: str
    about: str = ""
    settings: type[msgspec.Struct] = NoSettings
    scopes: tuple[str, ...] = ()
    scopes_of: Callable[[Any], Iterable[str]] = lambda settings: ()
    concurrency: int = 8
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: dict[str, TaskKind] = field(default_factory=dict)

    def task(self, seconds: float = 60.0, attempts: int = 5) -> Callable[[F], F]:
        """Makes a function a task. The one that is named ``run_`` and the integration's name is
        where every job begins.
        """

        def declared(function: F) -> F:
            if not inspect.iscoroutinefunction(function):
                raise TypeError(f"{function.__name__} must be an `async def`.")
            hints = typing.get_type_hints(function)
            names = list(inspect.signature(function).parameters)[1:]
            self.kinds[function.__name__] = TaskKind(
                function=function,
                seconds=seconds,
                attempts=attempts,
                takes=tuple(hints.get(name, Any) for name in names),
                returns=hints.get("return", Any),
            )
            return function

        return declared

    @property
    def top(self) -> TaskKind:
        """The task that a job begins with, which reports the whole job. Raises KeyError where there
        is none.
        """
        return self.kinds[f"run_{self.name}"]

    @property
    def begins(self) -> bool:
        """Whether it has the task that jobs begin with."""
        return f"run_{self.name}" in self.kinds

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the settings that are sealed."""
        return self._settings_of(Secret)

    @property
    def of_host(self) -> tuple[str, ...]:
        """The names of the settings that are of the machine."""
        return self._settings_of(OfHost)

    def _settings_of(self, kind: Any) -> tuple[str, ...]:
        hints = typing.get_type_hints(self.settings, include_extras=True)
        return tuple(
            name
            for name, hint in hints.items()
            if kind in (hint, getattr(hint, "__origin__", None), *getattr(hint, "__metadata__", ()))
        )

    def task_name(self, kind: str) -> str:
        """What the contract calls a task of this kind."""
        return f"{self.name}.{kind}"
