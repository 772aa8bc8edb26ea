"""What the tests cost: the CPU seconds of every process they start, by file, by test, by fixture,
and by program.

Wall time says little on a machine that others use too. With ``-p tests.costs`` each test process
adds up what it, its PostgreSQL and its browsers have worked, and appends lines of JSON to the file
that ALMONER_TEST_COSTS names: for every test, for every fixture as it is made, and for what comes
before and after all of them, which is what a process collects and ends. A test's own seconds hold
none of its fixtures'. ``python -m tests.costs FILE...`` adds such files up, the dearest first.
Linux only: it reads /proc."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

TICKS = os.sysconf("SC_CLK_TCK")
# How many lines of each kind are shown.
DEAREST = 60


def _processes() -> dict[int, tuple[int, str, float]]:
    """Every process: whose child it is, its name, and the CPU seconds of it and of those children
    it has waited for.
    """
    processes = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            name = stat[stat.index("(") + 1 : stat.rindex(")")]
            fields = stat[stat.rindex(")") + 2 :].split()
            processes[int(entry)] = int(fields[1]), name, sum(map(int, fields[11:15])) / TICKS
    return processes


class Costs:
    """The work of a process and of all that descend from it, and whose it was."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[str, float]] = {}
        self._written = 0.0
        # The test that runs, or why there is none.
        self.asking = ("whole", "collecting")

    def since_last(self) -> dict[str, float]:
        every = _processes()
        ours = {os.getpid()}
        grown = True
        while grown:
            more = {pid for pid, (parent, _, _) in every.items() if parent in ours} - ours
            ours |= more
            grown = bool(more)
        now = {pid: every[pid][1:] for pid in ours if pid in every}
        spent: defaultdict[str, float] = defaultdict(float)
        for name, seconds in now.values():
            spent[name] += seconds
        # The work of one that has ended is in its parent's sum now, and was counted in part before.
        for name, seconds in self._before.values():
            spent[name] -= seconds
        self._before = now
        return spent

    def write(self, kind: str, name: str, least: float = 0.0) -> None:
        """Notes what was spent since the last line; where that took less than ``least`` seconds,
        the next line has it too.
        """
        if time.monotonic() - self._written < least:
            return
        spent = {
            program: round(seconds, 2)
            for program, seconds in self.since_last().items()
            if abs(seconds) >= 0.005
        }
        # Of some that end, as a browser's processes, nobody takes the sum over.
        spent = spent if sum(spent.values()) > 0 else {}
        with Path(os.environ["ALMONER_TEST_COSTS"]).open("a") as out:
            out.write(json.dumps([kind, name, spent, os.getpid(), round(time.time(), 2)]) + "\n")
        self._written = time.monotonic()


COSTS = Costs()
# To look at all processes takes some milliseconds.
LEAST = 0.01


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    COSTS.write(*COSTS.asking)
    COSTS.asking = ("test", item.nodeid)
    result = yield
    COSTS.write(*COSTS.asking)
    COSTS.asking = ("whole", "waiting, ending") if nextitem is None else ("whole", "between tests")
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: Any, request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    COSTS.write("part", COSTS.asking[1], LEAST)
    try:
        return (yield)
    finally:
        COSTS.write("fixture", f"{fixturedef.baseid}::{fixturedef.argname}", LEAST)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    COSTS.write(*COSTS.asking)


def _table(
    title: str, seconds: dict[str, Counter[str]], times: Counter[str], most: int
) -> Iterable[str]:
    yield f"\n{title}"
    for name in sorted(seconds, key=lambda name: -seconds[name].total())[:most]:
        programs = ", ".join(
            f"{program} {spent:.1f}"
            for program, spent in seconds[name].most_common()
            if spent >= 0.1
        )
        yield f"{seconds[name].total():8.1f} s {times[name]:6}  {name}  ({programs})"


def main(paths: list[str]) -> None:
    tables: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(
        lambda: defaultdict(Counter)
    )
    times: Counter[str] = Counter()
    for path in paths:
        for line in Path(path).read_text().splitlines():
            kind, name, spent, _, _ = json.loads(line)
            file = name.partition("::")[0] if kind in ("test", "part") else kind
            whole = (
                "tests" if kind in ("test", "part") else f"{kind}s" if kind == "fixture" else name
            )
            places = [
                ("tests and fixtures", f"fixture {name}" if kind == "fixture" else name),
                ("all", whole),
                ("all", "all"),
            ]
            places += [("files, without their fixtures", file)] if kind in ("test", "part") else []
            for table, row in places:
                tables[table][row].update(spent)
                times[row] += kind != "part"
    for title in ("all", "files, without their fixtures", "tests and fixtures"):
        sys.stdout.write("\n".join(_table(title, tables[title], times, DEAREST)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
