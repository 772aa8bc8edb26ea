"""An export: a Find walked page after page, then what changed meanwhile. Where it was ended it goes
on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from almoner_client._sync.client import Client
from almoner_client.answers import RowPage
from almoner_client.errors import AlmonerError, Forbidden, Gone, NotFound
from almoner_client.exporting.formats import format_of
from almoner_client.mirror import layout
from almoner_client.mirror.progress import Progress

_SETTLED_SECONDS: Final = 60
_IDS: Final = 1000
_SIZE, _TO = "page[size]", "page[to]"


@dataclass(frozen=True)
class ExportReport:
    """What an export holds. ``after`` is its position in the change feed: who follows from there
    misses nothing that is not in the file.
    """

    rows: int
    after: str


class _EarlierStateError(AlmonerError):
    """What was read is of a state that the server has left."""


@dataclass
class _Place:
    """How far an export is: the parameters of its next page, None where all were read; and how long
    the file is up to there.
    """

    of: str
    after: str
    next: dict[str, Any] | None = field(default_factory=dict)
    bytes: int = 0
    rows: int = 0


class Export:
    """One collection on its way into one file; the rows that fit ``where``, filters of a Find. What
    is not whole yet stands in ``FILE.part``, and beside it in ``FILE.progress`` how far it is.
    """

    def __init__(
        self,
        client: Client,
        collection: str,
        path: Path,
        where: Mapping[str, Any],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._rows = client.collection(collection)
        self._path = path
        self._where = dict(where)
        self._say = say
        self._part = path.with_name(f"{path.name}.part")
        self._progress = path.with_name(f"{path.name}.progress")
        self._format = format_of(path, self._table(collection))

    def run(self) -> ExportReport:
        """Reads every row; once more from the beginning where the feed has forgotten where an
        export that goes on was, or the server goes on from an earlier state. Raises AlmonerError.
        """
        try:
            place = self._whole()
        except (Gone, _EarlierStateError) as error:
            self._say(f"{error} Reading every row again.")
            self._progress.unlink()
            place = self._whole()
        os.replace(self._part, self._path)
        self._progress.unlink(missing_ok=True)
        return ExportReport(place.rows, place.after)

    def _whole(self) -> _Place:
        """Every row in the file, and where in the feed that is."""
        place = self._place()
        if place.next is not None:
            self._walk(place)
        self._catch_up(place)
        return place

    def _table(self, collection: str) -> layout.Table:
        known = layout.tables(self._client.openapi())
        if collection not in known:
            raise AlmonerError(f"There is no collection {collection}. They are {', '.join(known)}.")
        # A filter that is refused is so before there is a file.
        if next(iter(self._rows.pages({**self._where, _SIZE: 1}))).enveloped:
            known = layout.tables(self._client.openapi("enveloped"))
        return known[collection]

    def _first_page(self) -> RowPage:
        return next(iter(self._rows.pages({_SIZE: 1})))

    def _place(self) -> _Place:
        known = [self._client.url, self._rows.name, self._where, self._path.suffix]
        of = sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        try:
            place = _Place(**json.loads(self._progress.read_text()))
            if place.of == of and self._part.stat().st_size >= place.bytes:
                self._say(f"Going on behind {place.rows:,} rows.")
                return place
        except (OSError, ValueError, TypeError):
            pass
        place = _Place(of, self._client.feed("latest").meta.after)
        with self._part.open("wb") as file:
            place.bytes = file.write(self._format.heading().encode())
        self._keep(place)
        return place

    def _keep(self, place: _Place) -> None:
        fresh = self._progress.with_name(f"{self._progress.name}.new")
        fresh.write_text(json.dumps(asdict(place)))
        os.replace(fresh, self._progress)

    def _walk(self, place: _Place) -> None:
        """Appends page after page; what was written behind the place that is kept is written
        again.
        """
        progress = Progress(None if self._where or place.rows else self._total())
        pages = self._rows.pages if self._where else self._rows.lines
        with self._part.open("r+b") as file:
            file.truncate(place.bytes)
            file.seek(place.bytes)
            for page in pages(place.next or self._where):
                text = "".join(map(self._format.line, page.rows)).encode()
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                place.bytes += len(text)
                place.rows += len(page.rows)
                place.next = page.following
                self._keep(place)
                progress.add(len(page.rows))
        progress.end()

    def _total(self) -> int | None:
        try:
            return self._client.digest(self._rows.name, by="version").count
        except (NotFound, Forbidden):
            return None

    def _catch_up(self, place: _Place) -> None:
        """Brings the file to where the feed is once all that was committed before is in it: a row
        that changed while the export went on may have been passed over.
        """
        changed, after = self._changed_since(place.after)
        if changed:
            lines = dict(self._current(changed))
            written = self._part.with_name(f"{self._part.name}.new")
            count = 0
            with (
                self._part.open(encoding="utf-8-sig", newline="") as file,
                written.open("w", encoding="utf-8", newline="") as out,
            ):
                out.write(self._format.heading())
                for row_id, text in self._format.lines(file):
                    if row_id not in changed:
                        out.write(text)
                        count += 1
                out.writelines(lines.values())
            os.replace(written, self._part)
            place.rows, place.bytes = count + len(lines), self._part.stat().st_size
        place.after = after
        self._keep(place)

    def _current(self, ids: set[str]) -> Iterator[tuple[str, str]]:
        """The lines of these rows as they are now, those that fit and are there."""
        ordered = sorted(ids)
        for start in range(0, len(ordered), _IDS):
            asked = {**self._where, "ids": ordered[start : start + _IDS]}
            for page in self._rows.pages(asked):
                for row in page.rows:
                    yield msgspec.json.decode(row)["id"], self._format.line(row)

    def _changed_since(self, after: str) -> tuple[set[str], str]:
        """The ids of rows that changed behind a position, up to where all is there that was
        committed before this was called; and that position.
        """
        asked_at = datetime.fromisoformat(str(self._first_page().current[_TO]))
        ends_at = time.monotonic() + _SETTLED_SECONDS
        ids: set[str] = set()
        while True:
            complete = datetime.fromisoformat(str(self._first_page().complete_until))
            page = self._client.feed(after, [self._rows.name], wait=int(complete < asked_at))
            for change in page.data:
                if change.kind == "epoch":
                    raise _EarlierStateError(
                        "The server goes on from an earlier state, as where a backup was restored."
                    )
                if change.id is not None:
                    ids.add(change.id)
            after = page.meta.after
            if complete >= asked_at and not page.meta.more:
                return ids, after
            if time.monotonic() > ends_at:
                raise AlmonerError(
                    "The server's feed does not settle: a transaction has been open for longer than"
                    " a minute. Its operator finds it in pg_stat_activity."
                )
