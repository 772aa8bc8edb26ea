"""Bodies that come packed, and answers that go packed to whoever asks for it."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from tests.conftest import Api
from tests.operations.conftest import BODY, PATIENT

PACKED = {"Content-Encoding": "gzip"}
MARK = b"\xef\xbb\xbf"


def body(**more: Any) -> bytes:
    return json.dumps(PATIENT | more).encode()


async def test_a_packed_body_is_taken_as_if_it_had_come_as_it_is(api: Api) -> None:
    two_members = gzip.compress(body()[:20]) + gzip.compress(body()[20:])
    sent = {
        "gzip": (gzip.compress(body()), "gzip"),
        "in another case": (gzip.compress(body()), "X-GZIP"),
        "two members": (two_members, "gzip"),
        "not packed": (body(), "identity"),
        "a mark": (MARK + body(), "identity"),
        "a mark inside": (gzip.compress(MARK + body()), "gzip"),
    }
    for name, (content, encoding) in sent.items():
        answer = await api.post(
            "/v1/patients", content=content, headers={"Content-Encoding": encoding}
        )
        assert (name, answer.status_code) == (name, 200), answer.text
        assert answer.json()["first_name"] == "Grace"


async def test_a_body_with_a_byte_order_mark_is_read_without_it_at_the_token_endpoint_too(
    api: Api,
) -> None:
    for content in (
        MARK + b"grant_type=x",
        MARK + b'{"grant_type":"x"}',
        gzip.compress(b"grant_type=x"),
    ):
        headers = PACKED if content.startswith(b"\x1f\x8b") else {}
        answer = await api.post("/v1/token", content=content, headers=headers)
        assert answer.json()["error"] == "unsupported_grant_type"


async def test_a_body_that_is_not_what_its_encoding_says_is_refused_with_the_way_out(
    api: Api,
) -> None:
    for content, encoding, status, code in (
        (body(), "br", 415, "unsupported_media_type"),
        (gzip.compress(body()), "gzip, gzip", 415, "unsupported_media_type"),
        (zlib.compress(body()), "deflate", 415, "unsupported_media_type"),
        (body(), "gzip", 400, "bad_request"),
        (gzip.compress(body())[:-9], "gzip", 400, "bad_request"),
        (gzip.compress(body()) + b"rest", "gzip", 400, "bad_request"),
        (gzip.compress(b"") * 20_000 + gzip.compress(body()), "gzip", 400, "bad_request"),
    ):
        answer = await api.post(
            "/v1/patients", content=content, headers={"Content-Encoding": encoding}
        )
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code), encoding
        assert answer.headers.get("accept-encoding") == ("gzip" if status == 415 else None)


async def test_a_body_is_unpacked_no_further_than_the_limit(hurried: httpx.AsyncClient) -> None:
    fits = body(street="x" * (BODY - len(body(street=""))))
    assert len(fits) == BODY
    assert (
        await hurried.post("/v1/patients", content=gzip.compress(fits), headers=PACKED)
    ).status_code == 200
    for bomb in (
        gzip.compress(fits + b" "),
        gzip.compress(b" " * 1_000_000),
        gzip.compress(b" " * BODY) * 3,
    ):
        answer = await hurried.post("/v1/patients", content=bomb, headers=PACKED)
        assert (answer.status_code, answer.json()["errors"][0]["extra"]) == (
            413,
            {"limit_bytes": BODY},
        )


async def test_a_form_of_a_page_is_read_the_same_way(api: Api) -> None:
    form = b"email=a&password=b"
    for content, encoding, status in ((form, "br", 415), (b"\x1f\x8bno", "gzip", 400)):
        headers = {
            "Content-Encoding": encoding,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        assert (await api.post("/sign-in", content=content, headers=headers)).status_code == status


async def test_long_answers_are_packed_for_whoever_asks_and_are_the_same(api: Api) -> None:
    ids = [(await api.post("/v1/patients", content=body())).json()["id"] for _ in range(12)]
    for path in ("/v1/patients", "/v1/changes", "/v1/openapi.json"):
        packed = await api.get(path, headers={"Accept-Encoding": "br;q=1, gzip;q=0.5"})
        plain = await api.get(path, headers={"Accept-Encoding": "gzip;q=0"})
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == (
            "gzip",
            "accept-encoding",
        ), path
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "accept-encoding"
        assert int(packed.headers["content-length"]) * 2 < int(plain.headers["content-length"])
        assert packed.json().__class__ is plain.json().__class__
    short = await api.get(f"/v1/patients/{ids[0]}", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers
    assert "vary" not in short.headers


async def test_the_tag_of_a_row_is_the_same_however_it_is_sent(api: Api) -> None:
    long = (await api.post("/v1/patients", content=body(street="x" * 5000))).json()["id"]
    packed = await api.get(f"/v1/patients/{long}", headers={"Accept-Encoding": "gzip"})
    plain = await api.get(f"/v1/patients/{long}", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == plain.headers["etag"]
    assert packed.json() == plain.json()
    changed = await api.put(
        f"/v1/patients/{long}", json={"city": "Rye"}, headers={"If-Match": packed.headers["etag"]}
    )
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/sign-in"])
async def test_pages_are_packed_too(api: Api, path: str) -> None:
    assert (await api.get(path, headers={"Accept-Encoding": "gzip"})).headers[
        "content-encoding"
    ] == "gzip"
    assert (
        "content-encoding"
        not in (await api.get(path, headers={"Accept-Encoding": "identity"})).headers
    )
