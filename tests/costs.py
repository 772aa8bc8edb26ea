"""What the tests cost: the CPU seconds of every process they start, file by file.

Wall time says little on a machine that others use too. With ``-p tests.costs`` each test process adds up what it, its
PostgreSQL and its browsers have worked, and appends a line of JSON for every test to the file that ALMONER_TEST_COSTS names:
the test, its CPU seconds, and those by the name of the program. A fixture counts with the first test that asks for it.
``python -m tests.costs FILE...`` adds such files up, the dearest first. Linux only: it reads /proc.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

TICKS = os.sysconf("SC_CLK_TCK")


def _processes() -> dict[int, tuple[int, str, float]]:
    """Every process: whose child it is, its name, and the CPU seconds of it and of those children it has waited for."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            name = stat[stat.index("(") + 1 : stat.rindex(")")]
            fields = stat[stat.rindex(")") + 2 :].split()
            found[int(entry)] = int(fields[1]), name, sum(map(int, fields[11:15])) / TICKS
    return found


class Costs:
    """The work of a process and of all that descend from it, since it was asked last."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[str, float]] = {}

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


COSTS = Costs()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    COSTS.since_last()
    result = yield
    spent = COSTS.since_last()
    with Path(os.environ["ALMONER_TEST_COSTS"]).open("a") as out:
        out.write(json.dumps([item.nodeid, sum(spent.values()), spent]) + "\n")
    return result


def main(paths: list[str]) -> None:
    seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    tests: Counter[str] = Counter()
    for path in paths:
        for line in Path(path).read_text().splitlines():
            nodeid, _, spent = json.loads(line)
            for name in (nodeid.partition("::")[0], "all"):
                tests[name] += 1
                for program, more in spent.items():
                    seconds[name][program] += more
    for name in sorted(seconds, key=lambda name: -sum(seconds[name].values())):
        parts = sorted(seconds[name].items(), key=lambda part: -part[1])
        shown = ", ".join(f"{program} {spent:.1f}" for program, spent in parts if spent >= 0.5)
        sys.stdout.write(f"{sum(seconds[name].values()):8.1f} s {tests[name]:6} tests  {name}  ({shown})\n")


if __name__ == "__main__":
    main(sys.argv[1:])
