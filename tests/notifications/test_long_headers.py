"""A receiver's answer with long headers: a success like any other; what is too long is told as
that.
"""

from __future__ import annotations

import asyncio

import pytest

from almoner.outbound.http import HttpClient, SendError
from tests.notifications.receiving import raw_receiver


async def answered(header: bytes) -> int:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\n" + header + b"Content-Length: 2\r\nConnection: close\r\n\r\nok"
        )
        await writer.drain()

    client = HttpClient(private_targets=True, patience=20)
    try:
        async with raw_receiver(talk) as url:
            return (await client.post(url, b"[]", {})).status
    finally:
        await client.close()


async def test_a_header_of_nine_thousand_bytes_is_a_success() -> None:
    assert await answered(b"Content-Security-Policy: " + b"x" * 9_000 + b"\r\n") == 200
    assert await answered(b"".join(b"Set-Cookie: n%d=1\r\n" % n for n in range(200))) == 200


async def test_a_header_that_is_too_long_is_told_in_true_words() -> None:
    with pytest.raises(
        SendError, match="answered with a header longer than 64 KiB, which is not read"
    ):
        await answered(b"X-Long: " + b"x" * 70_000 + b"\r\n")
    with pytest.raises(SendError, match="answered with more than 1000 headers, which are not read"):
        await answered(b"".join(b"X-%d: 1\r\n" % n for n in range(1_100)))
