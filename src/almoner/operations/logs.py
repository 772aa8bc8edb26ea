"""Structured logs: one event a line, for collectors as JSON, for people as text.

A log line never holds what a request or a row says. Faults are told by their type, the database's
error code and the places in the code, never by their message: messages quote values."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from almoner.operations.repeats import OncePerRun

_FRAMES = 12


def configure(
    log_format: str,
    debug: bool = False,
    counted: Callable[[str, str], None] = lambda level, event: None,
) -> Any:
    """Sets up logging for this process and returns its logger. Other libraries' warnings come out
    in the same form.

    ``debug`` lets lines through that only a developer reads (``statement``). ``counted`` is told of
    each line by its level and event, of those too that are told by their number alone.
    """
    shared: list[Any] = [
        structlog.processors.add_log_level,
        _Counted(counted),
        OncePerRun(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if debug else logging.INFO
        ),
        # Looked up at each line: the stream that was there at the start may be closed since, and a
        # log line never fails a request.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logger = structlog.get_logger()
    root = logging.getLogger()
    root.handlers = [_Forward(logger)]
    root.setLevel(logging.WARNING)
    return logger


class _Counted:
    """Hands the level and the event of each line on, both of which the code names."""

    def __init__(self, counted: Callable[[str, str], None]) -> None:
        self._counted = counted

    def __call__(self, _: Any, level: str, values: MutableMapping[str, Any]) -> Any:
        self._counted(level, str(values["event"]))
        return values


class _Forward(logging.Handler):
    """Hands the records of other libraries on without their message's values."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        values: dict[str, Any] = {"library": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            values |= fault(record.exc_info[1])
        # The message without its arguments: what a library fills in may be a row or an address.
        self._logger.log(
            record.levelno,
            "library",
            said=str(record.msg)[:200] if not record.exc_info else "",
            **values,
        )


def fault(error: BaseException) -> dict[str, Any]:
    """What may be told of an error: its types, the database's code, and where in the code it came
    from.
    """
    fields: dict[str, Any] = {
        "error": type(error).__name__,
        "where": places(traceback.extract_tb(error.__traceback__)[-_FRAMES:]),
    }
    code = getattr(error, "sqlstate", None)
    if code:
        fields["sqlstate"] = code
    if error.__cause__ is not None:
        fields["cause"] = type(error.__cause__).__name__
    return fields


def statement(query: str, seconds: float) -> None:
    """Logs a statement and how long it took, at debug level: its text, never the values that went
    along.
    """
    structlog.get_logger().debug(
        "sql", ms=round(seconds * 1000, 1), statement=" ".join(query.split())
    )


def places(frames: Iterable[traceback.FrameSummary]) -> list[str]:
    """Where in the code these frames are, the innermost last."""
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
