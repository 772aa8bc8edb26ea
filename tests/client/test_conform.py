"""The contract's checks: green on ours in both shapes, and red on broken servers, each for its own
reason.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner_client.conform.suite import CHECKS, FAILED, Outcome, run
from almoner_client.options import Credentials
from tests.cases import quick
from tests.client.broken import Break, Exchange, _nothing, broken
from tests.client.copies import command
from tests.conftest import Api, Callers
from tests.contract.rows import Place


@pytest.mark.parametrize("shape", quick(["documented", "enveloped"], 1))
async def test_our_server_keeps_the_contract(
    callers: Callers, program: int, store: Store, inside: Actor, shape: str
) -> None:
    async with await callers(program, "all", shape) as api, await callers(program) as writer:
        await Place(writer, inside, store).make("calendar_events")
        ended = await command(
            api, "conform", str(api.base_url), "--shape", shape, "--json", status=None
        )
    json = ended.json
    assert [c for c in json["checks"] if c["outcome"] != "passed"] == []
    assert (ended.status, json["conforms"]) == (0, True)
    assert json["counts"] == {"passed": len(CHECKS)}


def _created(exchange: Exchange) -> None:
    if exchange.method == "POST" and exchange.status == 200 and exchange.path != "/v1/token":
        exchange.status = 201


def _no_request_id(exchange: Exchange) -> None:
    exchange.headers.pop("x-request-id", None)


def _no_allow(exchange: Exchange) -> None:
    exchange.headers.pop("allow", None)


def _no_challenge(exchange: Exchange) -> None:
    exchange.headers.pop("www-authenticate", None)


def _first_problem(exchange: Exchange) -> None:
    if exchange.status >= 400:
        exchange.answer["errors"] = exchange.answer["errors"][:1]


def _null_next(exchange: Exchange) -> None:
    page = exchange.page
    if page is not None and "next" not in page["meta"]:
        page["meta"]["next"] = None


def _shorter_pages(exchange: Exchange) -> None:
    page = exchange.page
    if page is not None and "next" in page["meta"]:
        page["data"] = page["data"][:-1]


def _again(exchange: Exchange) -> None:
    # Where page[after] is passed over, rows that share a time stand on the next page too.
    exchange.without("page[after]")


def _misspelt(exchange: Exchange) -> None:
    exchange.without("last_nmae")


def _local_times(exchange: Exchange) -> None:
    page = exchange.page
    rows = page["data"] if page is not None else [exchange.answer]
    for row in rows:
        if isinstance(row, dict) and "created_at" in row:
            row["created_at"] = row["created_at"][:23] + "Z"


def _nulls_are_dropped(exchange: Exchange) -> None:
    if exchange.method == "PUT":
        exchange.change_body(lambda body: {k: v for k, v in body.items() if v is not None})


def _typos_are_dropped(exchange: Exchange) -> None:
    exchange.change_body(lambda body: {k: v for k, v in body.items() if k != "fist_name"})


def _data_last(exchange: Exchange) -> None:
    page = exchange.page
    if page is not None:
        exchange.answer = [{**{k: v for k, v in page.items() if k != "data"}, "data": page["data"]}]


def _status_404(exchange: Exchange) -> None:
    for problem in (exchange.answer or {}).get("errors", []) if exchange.status == 404 else []:
        problem["code"] = "not_found"


# How a server is broken, by what is asked and what is answered, and which checks alone see it.
BROKEN: dict[str, tuple[Break, Break, set[str]]] = {
    "Create answers 201": (_nothing, _created, {"success_is_200"}),
    "no X-Request-Id": (_nothing, _no_request_id, {"request_ids"}),
    "405 without Allow": (_nothing, _no_allow, {"verbs_that_are_not_offered"}),
    "401 without a challenge": (_nothing, _no_challenge, {"without_a_token"}),
    "one problem at a time": (
        _nothing,
        _first_problem,
        {"all_problems_at_once", "required_fields"},
    ),
    "next is null": (_nothing, _null_next, {"pages_leave_out_nobody"}),
    "a row lost on each page": (_nothing, _shorter_pages, {"pages_leave_out_nobody"}),
    "rows on two pages": (_again, _nothing, {"pages_leave_out_nobody"}),
    "misspelt filters pass": (_misspelt, _nothing, {"unknown_parameters"}),
    "times in milliseconds": (_nothing, _local_times, {"times_as_they_are_answered"}),
    "null clears nothing": (_nulls_are_dropped, _nothing, {"null_clears"}),
    "typos are passed over": (_typos_are_dropped, _nothing, {"unknown_fields"}),
    "data is last": (_nothing, _data_last, {"shape_of_a_page"}),
    "one code for 404": (_nothing, _status_404, {"references_to_nobody"}),
}


@pytest.mark.slow
async def test_broken_servers_fail_each_for_its_own_reason(
    api: Api, store: Store, inside: Actor
) -> None:
    await Place(api, inside, store).make("calendar_events")
    url = str(api.base_url).rstrip("/")
    expected = {name for *_, names in BROKEN.values() for name in names}

    def outcomes(asked: Break, answered: Break) -> list[Outcome]:
        with broken(url, asked, answered) as here:
            credentials = Credentials(here, api.client_id, api.client_secret)
            return list(run(credentials, audience=f"{url}/v1/token", names=expected.__contains__))

    assert not await asyncio.to_thread(failed, outcomes, _nothing, _nothing)
    wrong = {}
    for name, (asked, answered, reasons) in BROKEN.items():
        failures = await asyncio.to_thread(failed, outcomes, asked, answered)
        if set(failures) != reasons:
            wrong[name] = failures
    assert not wrong


async def test_who_checks_for_the_other_shape_is_told_so(api: Api) -> None:
    credentials = Credentials(str(api.base_url), api.client_id, api.client_secret)

    def outcomes() -> list[Outcome]:
        return list(run(credentials, enveloped=True, names="sizes_of_pages".__eq__))

    (outcome,) = await asyncio.to_thread(outcomes)
    assert outcome.outcome == "failed"
    assert "--shape documented" in outcome.detail


def failed(outcomes: Any, asked: Break, answered: Break) -> dict[str, str]:
    """The checks that fail, each with its reason."""
    return {o.check: o.detail for o in outcomes(asked, answered) if o.outcome == FAILED}
