"""A server that speaks as much of S3 as backups need, over the loopback: whole objects, parts, ranges, lists in pages,
and signatures (version 4), without which it answers nothing.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

REGION: Final = "eu-central-1"
KEY_ID: Final = "AKIDOFTHETEST"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
Fault = Callable[[str, str], int | None]


@dataclass
class ObjectStore:
    """What is stored in it, and how it is to misbehave."""

    port: int = 0
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    # What is answered instead of what was asked for, by the method and the path with its query: a status, or 0 for nothing.
    fault: Fault = lambda _method, _path: None
    page: int = 1000
    is_up: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What a program that works with it is told."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }


@contextmanager
def serving(store: ObjectStore) -> Iterator[ObjectStore]:
    """The store as a server, at the port that it has or gets; what is in it outlives the server."""
    server = ThreadingHTTPServer(("127.0.0.1", store.port), _handler(store))
    server.daemon_threads = True
    store.port, store.is_up = server.server_address[1], True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.is_up = False
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(store: ObjectStore) -> type[BaseHTTPRequestHandler]:
    class Handler(_Requests):
        of = store

    return Handler


class _Requests(BaseHTTPRequestHandler):
    of: ObjectStore
    protocol_version = "HTTP/1.1"
    # An answer is sent at once, and whole.
    wbufsize = 1 << 20
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the library)
        """Nothing is logged."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 (names of the library)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        with self.of.lock:
            self.of.requests.append((self.command, self.path))
        status = self.of.fault(self.command, self.path)
        if status == 0 or not self.of.is_up:
            self.close_connection = True
            return
        if status is not None:
            self._send(status, _error("SlowDown", "As the test wants it."))
            return
        if (problem := self._problem(body)) is not None:
            self._send(403, _error(*problem))
            return
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        if bucket not in self.of.buckets:
            self._send(404, _error("NoSuchBucket", "The specified bucket does not exist"))
            return
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self.of.lock:
            self._act(self.of.buckets[bucket], key, query, body)

    def _act(self, objects: dict[str, bytes], key: str, query: dict[str, str], body: bytes) -> None:
        match self.command, sorted(query.keys() & {"uploads", "uploadId", "delete", "list-type"}):
            case "POST", ["uploads"]:
                upload = secrets.token_hex(8)
                self.of.uploads[upload] = {}
                self._send(200, f"<R><UploadId>{upload}</UploadId></R>".encode())
            case "PUT", ["uploadId"]:
                self.of.uploads[query["uploadId"]][int(query["partNumber"])] = body
                self._send(200, b"", {"ETag": _etag(body)})
            case "POST", ["uploadId"]:
                parts = self.of.uploads.pop(query["uploadId"])
                objects[key] = b"".join(parts[number] for number in sorted(parts))
                self._send(200, f"<R><ETag>{escape(_etag(objects[key]))}</ETag></R>".encode())
            case "DELETE", ["uploadId"]:
                self.of.uploads.pop(query["uploadId"], None)
                self._send(204, b"")
            case "POST", ["delete"]:
                names = [
                    unescape(name) for name in re.findall(r"<Key>([^<]*)</Key>", body.decode())
                ]
                gone = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
                for name in names:
                    objects.pop(name, None)
                self._send(200, f"<DeleteResult>{gone}</DeleteResult>".encode())
            case "GET", ["list-type"]:
                self._send(200, self._listed(objects, query))
            case "PUT", []:
                objects[key] = body
                self._send(200, b"", {"ETag": _etag(body)})
            case "DELETE", []:
                objects.pop(key, None)
                self._send(204, b"")
            case (("GET" | "HEAD"), []) if key in objects:
                self._read(objects[key])
            case _:
                self._send(404, _error("NoSuchKey", "The specified key does not exist."))

    def _read(self, content: bytes) -> None:
        about = {"ETag": _etag(content), "Last-Modified": "Mon, 30 Nov 2026 12:00:00 GMT"}
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            first, last = int(span[1]), int(span[2] or len(content) - 1)
            about["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self._send(206, content[first : last + 1], about)
            return
        self._send(200, content, about)

    def _listed(self, objects: dict[str, bytes], query: dict[str, str]) -> bytes:
        after = max(query.get("continuation-token", ""), query.get("start-after", ""))
        names = sorted(n for n in objects if n.startswith(query.get("prefix", "")) and n > after)
        page, more = names[: self.of.page], len(names) > self.of.page
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(objects[name])}</Size>"
            "<LastModified>2026-11-30T12:00:00.000Z</LastModified>"
            f"<ETag>{escape(_etag(objects[name]))}</ETag></Contents>"
            for name in page
        )
        further = (
            f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        )
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{further}{entries}"
            "</ListBucketResult>"
        ).encode()

    def _problem(self, body: bytes) -> tuple[str, str] | None:
        """Why a request is not by who has the key."""
        matched = _AUTHORIZATION.fullmatch(self.headers.get("authorization", ""))
        if matched is None:
            return "AccessDenied", "Access Denied."
        key_id, scope, signed, signature = matched.groups()
        if key_id != KEY_ID:
            return "InvalidAccessKeyId", "The key id does not exist in our records."
        sum_of_body = self.headers["x-amz-content-sha256"]
        if sum_of_body not in (hashlib.sha256(body).hexdigest(), "UNSIGNED-PAYLOAD"):
            return "XAmzContentSHA256Mismatch", "The body is another than was signed."
        if signature != _signature(self, scope, signed, sum_of_body):
            return "SignatureDoesNotMatch", "The signature does not match."
        return None

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _signature(request: _Requests, scope: str, signed: str, sum_of_body: str) -> str:
    parts = urlsplit(request.path)
    pairs = sorted(parse_qsl(parts.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, '-_.~')}={quote(value, '-_.~')}" for name, value in pairs)
    headers = "".join(f"{n}:{' '.join(request.headers[n].split())}\n" for n in signed.split(";"))
    canonical = "\n".join((request.command, parts.path, query, headers, signed, sum_of_body))
    moment = request.headers["x-amz-date"]
    text = "\n".join(
        ("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
