"""Backups in a bucket of an object store that speaks S3.

Where it is and with which keys it is reached, the library reads from the variables that programs of
S3 know (``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``),
or from the machine that it runs on; none of it is an argument, part of an address or of an error.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Final, NoReturn, TypeVar

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from almoner.backups.sealing import BackupError, Readable

T = TypeVar("T")
SCHEME: Final = "s3://"
# Nothing that a key could hide in.
_ADDRESS: Final = re.compile(rf"{SCHEME}([A-Za-z0-9._-]+)/?([A-Za-z0-9._/-]*)")
# A store takes 10,000 parts of a file at most: 625 GiB after compression. Two are in memory.
_PART_BYTES: Final = 64 << 20
_PARTS_AT_ONCE: Final = 2
_READ_BYTES: Final = 8 << 20
_LISTED_AT_ONCE: Final = 1000
_REQUEST: Final = timedelta(minutes=5)
_DIALLING: Final = timedelta(seconds=10)
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET: Final = "NoSuchBucket"
_REFUSALS: Final = frozenset(
    (
        "AccessDenied",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    )
)
# Where no key is named, the machine is asked for one at this path, as in a cloud.
_NO_KEYS: Final = "/latest/"
_NO_TLS: Final = "BadScheme"
RETRY_SECONDS: Final = 60.0


class BucketStorage:
    """The objects of a bucket whose keys begin with a prefix.

    ``home`` has the log until it is stored; ``endpoint`` is where the store is, if not Amazon's.
    Whatever fails for the moment is tried again for ``retry_seconds``. Raises BackupError where the
    address names no bucket."""

    def __init__(
        self,
        address: str,
        home: Path,
        *,
        endpoint: str = "",
        allow_http: bool = False,
        retry_seconds: float = RETRY_SECONDS,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        if (parts := _ADDRESS.fullmatch(address)) is None:
            raise BackupError(
                "An address of backups in an object store is s3://BUCKET/PREFIX and no more: the"
                " keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and where the store is"
                " in AWS_ENDPOINT_URL."
            )
        bucket, prefix = parts[1], parts[2].strip("/")
        self.address = f"{SCHEME}{bucket}/{prefix}".rstrip("/")
        self.work = home / "backups" / hashlib.sha256(self.address.encode()).hexdigest()[:16]
        self._bucket, self._part_bytes = bucket, part_bytes
        try:
            self._store = S3Store(
                bucket,
                prefix=prefix or None,
                config={"endpoint": endpoint} if endpoint else {},
                client_options={
                    "timeout": _REQUEST,
                    "connect_timeout": _DIALLING,
                    "allow_http": allow_http,
                },
                retry_config={
                    "max_retries": 10,
                    "retry_timeout": timedelta(seconds=retry_seconds),
                },
            )
        except BaseError as error:
            self._refuse(error)

    def names(self, begin: str = "") -> list[str]:
        """What is there under names that begin so, in their order."""
        folder = begin.rpartition("/")[0]
        objects = self._asked(lambda: [*itertools.chain.from_iterable(self._pages(folder))])
        return sorted(name for name in objects if name.startswith(begin))

    def folders(self) -> list[str]:
        """The first parts of all names."""
        return sorted({name.partition("/")[0] for name in self.names() if "/" in name})

    def read(self, name: str) -> bytes:
        """A small object. Raises FileNotFoundError where there is none."""
        return self._asked(lambda: bytes(self._store.get(name).bytes()))

    def open(self, name: str) -> IO[bytes]:
        """An object, read from its beginning."""
        stream = self._asked(lambda: self._store.get(name).stream(_READ_BYTES))
        return io.BufferedReader(Readable(self._arriving(iter(stream))))

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Stores an object. One longer than a part goes up in parts, and is there once all are."""
        rest, first = iter(pieces), bytearray()
        while len(first) <= self._part_bytes and (piece := next(rest, None)) is not None:
            first += piece
        if len(first) > self._part_bytes:
            self._asked(lambda: self._in_parts(name, itertools.chain([bytes(first)], rest)))
        else:
            self._asked(lambda: self._store.put(name, bytes(first), use_multipart=False))

    def remove(self, names: Sequence[str]) -> None:
        """Removes objects."""
        if names:
            self._asked(lambda: self._store.delete([*names]))

    def clear(self, folder: str) -> None:
        """Removes everything whose name begins with this part."""
        self.remove(self.names(f"{folder}/"))

    def _in_parts(self, name: str, parts: Iterator[bytes]) -> None:
        self._store.put(name, parts, chunk_size=self._part_bytes, max_concurrency=_PARTS_AT_ONCE)

    def _pages(self, folder: str) -> Iterator[list[str]]:
        for page in self._store.list(folder or None, chunk_size=_LISTED_AT_ONCE):
            yield [entry["path"] for entry in page]

    def _arriving(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        while (piece := self._asked(lambda: next(stream, None))) is not None:
            yield bytes(piece)

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except FileNotFoundError as error:
            if _NO_BUCKET in str(error):
                self._refuse(error)
            raise FileNotFoundError(self.address) from None
        except BaseError as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> NoReturn:
        """What to do about an answer of the store, of which its code alone is repeated."""
        text = str(error)
        code = _CODE.search(text)
        if code and code[1] == _NO_BUCKET:
            raise BackupError(
                f"There is no bucket {self._bucket} in the store of {self.address}. Make it, or"
                " correct its name; where the store is elsewhere, say so in AWS_ENDPOINT_URL."
            ) from None
        if _NO_KEYS in text:
            raise BackupError(
                f"There are no keys for {self.address}. Put them into AWS_ACCESS_KEY_ID and"
                " AWS_SECRET_ACCESS_KEY, as in the file that the unit reads."
            ) from None
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
            code and (code[1] in _REFUSALS)
        ):
            raise BackupError(
                f"The store of {self.address} refuses what is asked with these keys"
                f" ({code[1] if code else 'no reason said'}). Look at AWS_ACCESS_KEY_ID,"
                " AWS_SECRET_ACCESS_KEY and AWS_REGION, and that this key may list, read, write and"
                " delete there."
            ) from None
        if _NO_TLS in text:
            raise BackupError(
                f"The address of the store of {self.address} begins with http://, by which the"
                " bucket and what is asked of it are read on the way. Name it with https:// in"
                " AWS_ENDPOINT_URL."
            ) from None
        raise BackupError(
            f"The store of {self.address} does not answer as it should"
            f" ({code[1] if code else 'no connection'}), after all tries. What was under way is no"
            " backup, and nothing that was there is lost: look at the store and at"
            " AWS_ENDPOINT_URL, and run this again."
        ) from None
