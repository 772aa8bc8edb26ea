"""Looks that go on, whatever happens to one of them."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from almoner.work.rounds import keep_looking


async def test_neither_a_database_that_is_away_nor_a_fault_ends_the_looks() -> None:
    stop = asyncio.Event()
    outcomes: list[Exception | None] = [
        OSError(),
        ConnectionError(),
        ValueError("x"),
        None,
        OSError(),
    ]

    async def look() -> None:
        outcome = outcomes.pop(0)
        if not outcomes:
            stop.set()
        if outcome is not None:
            raise outcome

    with capture_logs() as lines:
        await asyncio.wait_for(keep_looking(look, stop, 0.001, "beginning jobs"), 10)
    assert not outcomes
    assert [line["event"] for line in lines] == [
        "beginning jobs cannot be done",
        "a fault in beginning jobs",
        "beginning jobs cannot be done",
    ]
