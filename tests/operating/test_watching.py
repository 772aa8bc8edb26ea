"""The alarms and the dashboard: they name what servers tell, each alarm goes off where it should and is silent
where all is well.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
import yaml

from almoner.settings import Settings
from tests import debian
from tests.conftest import METRICS_TOKEN, Server, ServerThread, free_port
from tests.installed import ROOT
from tests.plain_http import PlainHttp

PROMETHEUS = ROOT / "operating" / "prometheus"
RULES = PROMETHEUS / "almoner.rules.yml"
DASHBOARD = ROOT / "operating" / "grafana" / "almoner.json"
_METRIC: Final = re.compile(r"\balmoner_\w+")
_TYPE: Final = re.compile(r"^# TYPE (\w+) (\w+)$", re.M)
GIB = 2**30


class Case(NamedTuple):
    """Series by their values at each step, in promtool's spelling, under which an alarm goes off ``at`` a step,
    and those under which it does not. A step is as many minutes.
    """

    alert: str
    alarming: dict[str, str]
    calm: dict[str, str]
    labels: dict[str, str]
    at: int = 30
    minutes: int = 1


def series(metric: str, **labels: str) -> str:
    """A series as each server tells it."""
    every = {"job": "almoner", "instance": "a"} | labels
    pairs = ", ".join(f'{name}="{value}"' for name, value in every.items())
    return f"{metric}{{{pairs}}}"


UP = series("up")
FINE, FAULTY = (series("almoner_requests_total", status=status) for status in ("200", "500"))
REFUSED = series("almoner_requests_total", status="503")
FAST, SLOW, EVERY = (
    series("almoner_request_seconds_bucket", le=le) for le in ("0.5", "2.5", "+Inf")
)
SUBSCRIPTION = {"environment": "1", "subscription": "s"}
QUEUE = {"environment": "1", "queue": "q"}
JOB = {"job": "almoner"}
ERRORS = series("almoner_log_lines_total", level="error", event="fault")
GUESSES = series("almoner_log_lines_total", level="warning", event="sign-in refused")
# What looks back for a day has a value each half hour; minute by minute promtool takes long.
DAY = 48


def gauge(alert: str, metric: str, high: str, low: str, own: dict[str, str], **more: Any) -> Case:
    """An alarm of one gauge; ``own`` are the labels by which it is told apart."""
    named = series(metric, **{k: v for k, v in own.items() if k != "job"})
    return Case(alert, {named: high}, {named: low}, own, **more)


CASES: Final = (
    Case("AlmonerDown", {UP: "0x60"}, {UP: "1x60"}, {"job": "almoner", "instance": "a"}),
    Case(
        "AlmonerDatabaseAway",
        {UP: "1x60"},
        {UP: "1x60", series("almoner_database_size_bytes"): "1x60"},
        JOB,
    ),
    Case(
        "AlmonerErrors",
        {FINE: "0+99x60", FAULTY: "0+1x60"},
        {FINE: "0+999x60", FAULTY: "0+1x60"},
        JOB,
    ),
    Case(
        "AlmonerUnavailable",
        {FINE: "0+90x60", REFUSED: "0+10x60"},
        {FINE: "0+999x60", REFUSED: "0+1x60"},
        JOB,
    ),
    Case(
        "AlmonerSlow",
        {FAST: "0+10x60", SLOW: "0+100x60", EVERY: "0+100x60"},
        {FAST: "0+100x60", SLOW: "0+100x60", EVERY: "0+100x60"},
        JOB,
    ),
    gauge(
        "AlmonerSubscriberBehind",
        "almoner_subscription_lag_seconds",
        "400x60",
        "30x60",
        SUBSCRIPTION,
    ),
    gauge(
        "AlmonerSubscriptionPaused",
        "almoner_subscription_paused",
        f"1x{2 * DAY}",
        f"1x{DAY} 0x{DAY}",
        SUBSCRIPTION,
        at=2 * DAY - 2,
        minutes=30,
    ),
    gauge(
        "AlmonerCertificateEnds",
        "almoner_receiver_certificate_end_seconds",
        "864000x180",
        "8640000x180",
        {"host": "care.example.org"},
        at=120,
    ),
    gauge("AlmonerWorkBehind", "almoner_work_oldest_seconds", "200x60", "10x60", QUEUE),
    gauge(
        "AlmonerProcessesBehind",
        "almoner_process_lag_seconds",
        "200x60",
        "40x60",
        {"environment": "1"},
    ),
    gauge(
        "AlmonerLogsUnsealed",
        "almoner_unsealed_seconds",
        "700x60",
        "90x60",
        {"environment": "1", "log": "changes"},
    ),
    gauge("AlmonerWorkFailed", "almoner_work_failed", "3x70 4x60", "3x130", QUEUE, at=90),
    gauge("AlmonerReadsLost", "almoner_audit_reads_dropped", "5x60", "0x60", JOB),
    Case(
        # The first error of all begins a series.
        "AlmonerFaults",
        {ERRORS: "_x25 1x35"},
        {ERRORS: "7x60"},
        {"job": "almoner", "event": "fault"},
    ),
    gauge("AlmonerWaitsWhileHolding", "almoner_waits_while_holding_total", "0+1x60", "4x60", JOB),
    Case("AlmonerSignInsRefused", {GUESSES: "0+20x60"}, {GUESSES: "0+2x60"}, JOB),
    Case(
        "AlmonerDatabaseFull",
        {
            series("almoner_database_sessions"): "90x60",
            series("almoner_database_sessions_limit"): "97x60",
        },
        {
            series("almoner_database_sessions"): "40x60",
            series("almoner_database_sessions_limit"): "97x60",
        },
        JOB,
    ),
    gauge(
        "AlmonerTransactionIds", "almoner_database_transaction_age", "1200000000x60", "2e8x60", JOB
    ),
    gauge(
        "AlmonerLongTransaction",
        "almoner_database_oldest_transaction_seconds",
        "700x60",
        "5x60",
        JOB,
    ),
    gauge(
        "AlmonerLogHeld",
        "almoner_database_slot_bytes",
        f"{5 * GIB}x60",
        f"{GIB}x60",
        {"job": "almoner", "slot": "s"},
    ),
    gauge(
        "AlmonerStandbyBehind",
        "almoner_database_standby_bytes",
        f"{GIB}x60",
        "1000x60",
        {"job": "almoner", "standby": "b"},
    ),
    gauge(
        "AlmonerLogGrows",
        "almoner_log_bytes",
        f"{GIB}x{DAY} {30 * GIB}x{DAY}",
        f"{GIB}x{DAY} {2 * GIB}x{DAY}",
        {"job": "almoner", "log": "changes"},
        at=DAY + 4,
        minutes=30,
    ),
    gauge(
        "AlmonerDatabaseGrows",
        "almoner_database_size_bytes",
        f"{GIB}+{GIB // 33}x{2 * DAY}",
        f"{GIB}+33000x{2 * DAY}",
        JOB,
        at=2 * DAY - 2,
        minutes=30,
    ),
)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_each_alarm_goes_off_where_it_should_and_is_silent_where_all_is_well(
    tmp_path: Path,
) -> None:
    promtool = debian.program("promtool", "prometheus")
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules()}
    assert [case.alert for case in CASES] == [*severities], "each rule has its case, in their order"
    # What they say is compared elsewhere, and here it is when they say it.
    for rule in (document := yaml.safe_load(RULES.read_text(encoding="utf-8")))["groups"]:
        for alert in rule["rules"]:
            del alert["annotations"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    files = [_tests_of(tmp_path, minutes, severities) for minutes in (1, 30)]
    checked = subprocess.run(
        [promtool, "test", "rules", *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for words in (("rules", RULES.name), ("config", "--syntax-only", "prometheus.yml")):
        subprocess.run([promtool, "check", *words], cwd=PROMETHEUS, check=True, timeout=60)


def _tests_of(folder: Path, minutes: int, severities: dict[str, str]) -> str:
    """Writes promtool's file of the cases whose steps are as many minutes; its name."""
    tests = []
    for case in (case for case in CASES if case.minutes == minutes):
        labels = case.labels | {"severity": severities[case.alert]}
        for values, expected in ((case.alarming, [{"exp_labels": labels}]), (case.calm, [])):
            at = {"alertname": case.alert, "eval_time": f"{case.at * minutes}m"}
            tests.append(
                {
                    "interval": f"{minutes}m",
                    "name": f"{case.alert}, {'alarming' if expected else 'calm'}",
                    "input_series": [{"series": s, "values": v} for s, v in values.items()],
                    "alert_rule_test": [at | {"exp_alerts": expected}],
                }
            )
    document = {"rule_files": ["rules.yml"], "evaluation_interval": f"{minutes}m", "tests": tests}
    name = f"each_{minutes}.yml"
    (folder / name).write_text(yaml.safe_dump(document), encoding="utf-8")
    return name


def test_each_alarm_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert {*rule["annotations"]} == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.fixture
async def console(server: Server) -> str:
    async with PlainHttp(base_url=server.url, timeout=30) as caller:
        return (await scraped(caller)).text


async def scraped(caller: httpx.AsyncClient) -> httpx.Response:
    return await caller.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})


async def test_the_alarms_and_the_dashboard_name_nothing_but_what_servers_tell(
    console: str,
) -> None:
    names: set[str] = set()
    for name, kind in _TYPE.findall(console):
        names |= {
            name,
            *(f"{name}_{part}" for part in ("bucket", "sum", "count") if kind == "histogram"),
        }
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [rule["expr"] for rule in rules()]
    asked += [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    named = {metric for expression in asked for metric in _METRIC.findall(expression)}
    assert named - names == set()
    assert len(dashboard["panels"]) > 10


def value(console: str, sample: str) -> float:
    """The value of a sample, named with its labels."""
    (line,) = [line for line in console.splitlines() if line.rpartition(" ")[0] == sample]
    return float(line.rpartition(" ")[2])


async def test_the_gauges_of_the_database_are_true(server: Server, connection: Any) -> None:
    async with PlainHttp(base_url=server.url, timeout=30) as caller:
        before = (await scraped(caller)).text
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        assert value(before, "almoner_database_size_bytes") == pytest.approx(size, rel=0.5)
        assert value(before, 'almoner_log_bytes{log="changes"}') > 0
        assert value(before, "almoner_database_transaction_age") > 0
        used = value(before, "almoner_database_sessions")
        assert 0 < used < value(before, "almoner_database_sessions_limit")


async def test_who_is_refused_is_counted_by_the_lines_of_the_log(settings: Settings) -> None:
    sample = 'almoner_log_lines_total{event="token refused",level="warning"}'
    # A process has one log, which tells the server that was begun last: so this one.
    with ServerThread(dataclasses.replace(settings, port=free_port())) as own:
        async with PlainHttp(base_url=own.url, timeout=30) as caller:
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": "e30.e30.e30",
            }
            assert (await caller.post("/v1/token", data=form)).status_code in (400, 401, 429)
            assert value((await scraped(caller)).text, sample) >= 1
