"""How requests are sent: tokens, what is tried again, and what a refusal says."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from almoner_client import (
    AsyncClient,
    Client,
    ConnectionFailed,
    InvalidRequest,
    NotAnAnswer,
    Options,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from almoner_client.options import accepted_encoding, seconds_of, wait_before
from tests.client.scripted import BROKEN, Scripted, scripted
from tests.notifications.test_tls import certified

HASTY = Options(longest_wait=0.01, retries=3)
PATIENT_ID = "f2baaf15-94d2-415d-b3e6-7409b643d297"
ROW = {
    "id": PATIENT_ID,
    "user_id": PATIENT_ID,
    "task_type": "walk",
    "dismissed": None,
    "updated_at": "2018-09-10T18:56:19.359240+00:00",
    "created_at": "2018-09-10T18:56:19.359240+00:00",
}
NOTHING: dict[str, list[str]] = {"errors": []}
BUSY = (503, NOTHING)


def client(script: Scripted, options: Options = HASTY) -> Client:
    return Client(script.url, "client", "secret", options)


def test_what_a_busy_server_and_broken_connections_leave_undone_is_sent_again_with_the_same_key() -> (
    None
):
    limited = (429, NOTHING, {"Retry-After": "0"})
    with scripted([BROKEN, BUSY, limited, (200, ROW)]) as script, client(script) as caller:
        task = caller.patient_tasks.create(user_id=PATIENT_ID, task_type="walk")
    assert (task.id, task.updated_at.utcoffset()) == (PATIENT_ID, timedelta(0))
    assert len(script.requests) == 4
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert len({request.body for request in script.requests}) == 1


def test_lines_are_read_by_pages_of_some_megabytes_and_of_a_server_without_them_by_its_pages() -> (
    None
):
    """A page of lines tells how many rows fit the next one; the header has where that begins."""
    lines = {"Content-Type": "application/x-ndjson"}
    line = b'{"id":"1","note":"' + b"x" * 20_000 + b'"}\n'
    following = "http://elsewhere/v1/patients?page%5Bfrom%5D=2018&page%5Bsize%5D=1000"
    link = {"Link": f'<{following}>; rel="next"'}
    answers = [(200, line * 3, lines | link), (200, line[:10] + b'"}\n', lines | link)]
    with scripted([*answers, (200, b"", lines)]) as script, client(script) as caller:
        pages = list(caller.collection("patients").lines({"page[from]": "2017"}))
    assert [len(page.rows) for page in pages] == [3, 1, 0]
    assert [bytes(row) for row in pages[0].rows] == [line.rstrip()] * 3
    assert all("x-ndjson" in request.headers["Accept"] for request in script.requests)
    asked = [parse_qsl(urlsplit(request.path).query) for request in script.requests]
    assert asked == [
        [("page[size]", "1000"), ("page[from]", "2017")],
        [("page[from]", "2018"), ("page[size]", "199")],
        [("page[from]", "2018"), ("page[size]", "5000")],
    ]
    older = [{"data": [ROW], "meta": {}}]
    with scripted([(200, older)]) as script, client(script) as caller:
        pages = list(caller.collection("patient_tasks").lines())
    assert [len(page.rows) for page in pages] == [1]


def test_trying_again_has_an_end_and_says_what_is_wrong() -> None:
    refusal = {"errors": [{"code": "too_many_requests", "detail": "Ask again in a minute."}]}
    with scripted([(429, refusal)]) as script, client(script) as caller:
        with pytest.raises(TooManyRequests, match="Ask again in a minute") as caught:
            caller.patients.get(PATIENT_ID)
        assert (caught.value.code, len(script.requests)) == ("too_many_requests", 4)
    with scripted([BROKEN]) as script, client(script) as caller:
        with pytest.raises(ConnectionFailed, match="cannot be reached"):
            caller.patients.get(PATIENT_ID)
        assert len(script.requests) == 4


def test_who_is_to_come_back_much_later_is_told_so_and_does_not_ask_before() -> None:
    for status, kind in ((429, TooManyRequests), (503, ServerError)):
        later = (status, NOTHING, {"Retry-After": "600"})
        with scripted([later]) as script, client(script) as caller:
            with pytest.raises(kind, match="to be asked again in 600 s") as caught:
                caller.patients.get(PATIENT_ID)
            assert (caught.value.retry_after, len(script.requests)) == (600, 1)
    with scripted([(429, NOTHING, {"Retry-After": "0"}), (200, ROW)]) as script:
        with client(script, Options(longest_retry_after=0)) as caller:
            assert caller.patient_tasks.get(PATIENT_ID).id == PATIENT_ID
        assert len(script.requests) == 2


def test_a_refusal_is_not_sent_again_and_has_every_path() -> None:
    problems = [
        {"status": 400, "code": "parse_exception", "detail": f"no {n}", "extra": {"path": f".{n}"}}
        for n in ("phase", "timezone")
    ]
    refused = (400, {"errors": problems}, {"X-Request-Id": "req-7"})
    with scripted([refused]) as script, client(script) as caller:
        with pytest.raises(InvalidRequest) as caught:
            list(caller.patients.find(phase="nowhere"))
        assert len(script.requests) == 1
    assert caught.value.paths == {".phase": "no phase", ".timezone": "no timezone"}
    assert caught.value.request_id == "req-7"
    assert "no phase" in str(caught.value)
    assert "no timezone" in str(caught.value)


def test_a_token_is_renewed_once_where_it_is_refused() -> None:
    refused = (401, {"errors": [{"code": "unauthorized", "detail": "No."}]})
    with scripted([refused, (200, ROW)]) as script, client(script) as caller:
        assert caller.patient_tasks.get(PATIENT_ID).id == PATIENT_ID
        sent = [request.headers["Authorization"] for request in script.requests]
        assert sent == ["Bearer token-1", "Bearer token-2"]
    with scripted([refused]) as script, client(script) as caller:
        with pytest.raises(Unauthorized):
            caller.patient_tasks.get(PATIENT_ID)
        assert script.tokens == 2


def test_threads_and_tasks_share_a_token() -> None:
    with scripted([(200, ROW)]) as script, client(script) as caller:
        threads = [
            threading.Thread(target=caller.patient_tasks.get, args=(PATIENT_ID,)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (script.tokens, len(script.requests)) == (1, 8)


async def test_tasks_share_a_token() -> None:
    with scripted([(200, ROW)]) as script:
        async with AsyncClient(script.url, "client", "secret", HASTY) as caller:
            await asyncio.gather(*(caller.patient_tasks.get(PATIENT_ID) for _ in range(8)))
        assert (script.tokens, len(script.requests)) == (1, 8)


def test_what_is_no_answer_of_the_api_is_said_to_be_none() -> None:
    for body in (b"<html>", b'{"id": "' + PATIENT_ID.encode(), b'{"id": 7}'):
        with (
            scripted([(200, body)]) as script,
            client(script) as caller,
            pytest.raises(NotAnAnswer),
        ):
            caller.patient_tasks.get(PATIENT_ID)


def test_waits_grow_differ_and_follow_the_server() -> None:
    assert [wait_before(n, None, 30, lambda: 1.0) for n in (1, 2, 3, 9)] == [1, 2, 4, 30]
    assert wait_before(3, None, 30, lambda: 0.0) == 1
    assert wait_before(1, 7, 3, lambda: 0.0) == 7
    assert wait_before(1, 7, 3, lambda: 1.0) == pytest.approx(7.7)
    assert (seconds_of("soon"), seconds_of(None)) == (None, None)
    later = seconds_of(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True))
    assert later is not None
    assert 3500 < later <= 3600
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_answers_are_packed_for_the_network_and_not_within_a_machine() -> None:
    asked = {url: accepted_encoding(url) for url in ("https://care.example.org", "http://[::1]:80")}
    assert asked == {"https://care.example.org": "gzip", "http://[::1]:80": "identity"}
    assert accepted_encoding("http://localhost:8000") == accepted_encoding("http://127.0.0.1")


async def test_an_answer_that_was_read_needs_no_collector_to_be_forgotten() -> None:
    """Megabytes of rows each would wait for one in a load."""
    gc.disable()
    try:
        with scripted([(200, [])]) as script, client(script) as caller:
            answer = caller.transport.request("GET", "/v1/patients")
            for_threads = weakref.ref(answer)
            async with AsyncClient(script.url, "client", "secret", HASTY) as tasks:
                answered = await tasks.transport.request("GET", "/v1/patients")
                for_tasks = weakref.ref(answered)
            del answer, answered
            assert (for_threads(), for_tasks()) == (None, None)
    finally:
        gc.enable()


def test_a_server_of_a_private_authority_is_trusted_where_its_certificate_is_named(
    tmp_path: Path,
) -> None:
    authority = certified("House CA", is_ca=True)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    context = certified("care.example.org", by=authority).context(tmp_path)
    trusting = Options(longest_wait=0.01, retries=0, ca=str(tmp_path / "ca.pem"))
    with scripted([(200, ROW)], context) as script:
        with client(script, trusting) as caller:
            assert caller.patient_tasks.get(PATIENT_ID).id == PATIENT_ID
        with (
            client(script, Options(longest_wait=0.01, retries=0)) as stranger,
            pytest.raises(ConnectionFailed, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            stranger.patient_tasks.get(PATIENT_ID)


def test_a_proxy_is_asked_for_what_is_behind_it() -> None:
    with scripted([(200, ROW)]) as script:
        behind = Options(longest_wait=0.01, retries=0, proxy=script.url)
        with Client("http://care.example.org", "client", "secret", behind) as caller:
            caller.patient_tasks.get(PATIENT_ID)
    assert script.tokens == 1
    (request,) = script.requests
    assert request.path == f"http://care.example.org/v1/patient_tasks/{PATIENT_ID}"
