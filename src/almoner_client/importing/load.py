"""Writes the rows of a file, hundreds at a time, each once however often the file is fed."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from uuid import uuid4

import msgspec

from almoner_client._sync.client import Client
from almoner_client.errors import AlmonerError, ApiError, InvalidRequest, NotFound, Problem
from almoner_client.mirror.progress import Progress
from almoner_files import files
from almoner_files.bad_rows import BadRows
from almoner_files.delimited import SourceRow
from almoner_files.fields import Fields
from almoner_files.mapping import EXTERNAL_ID, Mapping, Target
from almoner_files.prepare import Bodies, RowError, id_of, is_id

OnExisting = Literal["update", "keep", "refuse"]
# A batch may have 1,000 rows and, by default, a megabyte.
_ROWS: Final = 500
_BYTES: Final = 700_000
# Batches under way at once: while the database writes some, the next are made and checked.
_AT_ONCE: Final = 3
_TAKEN: Final = "would be taken"
# What the server says of the second of two rows with one id, whose request no reader of the file
# knows.
_TWICE: Final = "The batch has this row twice"
_PLACE: Final = re.compile(r"\.create\[\d+\](\.)")
_ITEM: Final = re.compile(r"\.create\[(\d+)\]\.?(.*)")


@dataclass
class LoadReport:
    """What came of an import. ``bad_rows`` is the file of the rows that were not taken, to be
    mended and fed again.
    """

    rows: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    bad_rows: Path | None = None


@dataclass
class Prepared:
    """A row of the file as the API takes it, and as JSON; with ``errors``, that it does not, as far
    as that is known without the server.
    """

    source: SourceRow
    body: dict[str, Any]
    json: msgspec.Raw
    own_id: str = ""
    errors: list[RowError] = field(default_factory=list)


class RowOutcome(NamedTuple):
    """What the server made of a row; with ``problems``, that it did not take it, and why."""

    outcome: str
    problems: Sequence[Problem] = ()


class Import:
    """One file on its way into one collection. Where it is a ``dry_run``, the server is asked what
    it would say, and nothing is written.
    """

    def __init__(
        self,
        client: Client,
        path: Path,
        mapping: Mapping,
        fields: Fields,
        *,
        on_existing: OnExisting = "update",
        dry_run: bool = False,
    ) -> None:
        self._client = client
        self._path = path
        self._mapping = mapping
        self._fields = fields
        self._on_existing: OnExisting = on_existing
        self._dry_run = dry_run
        self._rows = client.collection(mapping.collection)
        self._bodies = Bodies(mapping, fields, self._by_external_id)
        self._known: dict[str, dict[str, str]] = {}
        self._counts: dict[str, int] = {}
        self._bad = BadRows(path)
        self._place = Place(path, mapping)
        self.report = LoadReport()

    def run(self) -> LoadReport:
        """Takes every row. A run that was ended is taken up where it was."""
        progress = Progress(None)
        done_until = 0 if self._dry_run else self._place.line()
        for batch, outcomes in self._answered(self._batches(done_until)):
            lines: dict[str, int] = {}
            for prepared, (outcome, problems) in zip(batch, outcomes, strict=True):
                first = lines.setdefault(prepared.own_id, prepared.source.line)
                if not prepared.errors and not problems:
                    self._count(outcome)
                    continue
                errors = [*prepared.errors, *self._further(prepared, problems, first)]
                self._refuse(prepared.source, errors)
            progress.add(len(batch))
            if not self._dry_run and not self.report.errors:
                self._place.reach(batch[-1].source.line)
        progress.end()
        self._place.forget()
        self.report.errors.sort(key=lambda error: error.line)
        if self.report.errors:
            self.report.bad_rows = self._bad.path
        return self.report

    def _answered(
        self, batches: Iterable[list[Prepared]]
    ) -> Iterator[tuple[list[Prepared], list[RowOutcome]]]:
        """The batches in their order, each with what came of its rows; several are under way."""
        ask = self._asked if self._dry_run else self._written
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            under_way: deque[tuple[list[Prepared], Future[list[RowOutcome]]]] = deque()
            for batch in batches:
                while under_way and (len(under_way) == _AT_ONCE or _is_repeated(batch, under_way)):
                    earlier, outcomes = under_way.popleft()
                    yield earlier, outcomes.result()
                under_way.append((batch, pool.submit(ask, batch)))
            for earlier, outcomes in under_way:
                yield earlier, outcomes.result()

    def _batches(self, done_until: int) -> Iterator[list[Prepared]]:
        batch: list[Prepared] = []
        size = 0
        for source in files.rows(self._path):
            self.report.rows += 1
            prepared = self._prepared(source)
            if source.line <= done_until:
                self._count("done before")
                continue
            if batch and (len(batch) == _ROWS or size + len(prepared.json) > _BYTES):
                yield batch
                batch, size = [], 0
            batch.append(prepared)
            size += len(prepared.json)
        if batch:
            yield batch

    def _prepared(self, source: SourceRow) -> Prepared:
        body, errors = self._bodies.of(source)
        own_id = ""
        if self._mapping.collection != "external_ids":
            own_id = self._own_id(source, body)
            mapped = {"namespace": self._mapping.own_namespace, "external_id": own_id}
            body["external_ids"] = [*body.get("external_ids", []), mapped]
        return Prepared(source, body, msgspec.Raw(msgspec.json.encode(body)), own_id, errors)

    def _own_id(self, source: SourceRow, body: dict[str, Any]) -> str:
        """The id of the row in its own system: that of its column, or one made of what is in it, so
        that a file that is fed twice makes no row twice.
        """
        row_id = id_of(source, self._mapping)
        if row_id:
            return row_id
        content = sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:32]
        # Two rows of a file that are the same to the letter are two.
        self._counts[content] = self._counts.get(content, 0) + 1
        return f"{content}-{self._counts[content]}" if self._counts[content] > 1 else content

    def _by_external_id(self, target: Target, value: str) -> str:
        """The id here of what the other system calls so. What it does not call so may be an id of
        ours; asked for first, since ids of other systems may look like ours.
        """
        namespace = target.namespace or self._mapping.own_namespace
        if namespace not in self._known:
            rows = self._client.external_ids.find(namespace=namespace, page_size=1000)
            self._known[namespace] = {row.external_id: row.welkin_id for row in rows}
        known = self._known[namespace].get(value)
        if known is None and not is_id(value):
            raise ValueError(f"nothing has this id in the namespace {namespace}")
        return known or value

    def _written(self, batch: Sequence[Prepared]) -> list[RowOutcome]:
        """Writes the rows that are well. The server is asked about the others all the same, so that
        everything that is wrong with them is mended at once.
        """
        well = [prepared.json for prepared in batch if not prepared.errors]
        results = (
            self._rows.batch(create=well, on_existing=self._on_existing, atomic=False, minimal=True)
            if well
            else []
        )
        written = iter([RowOutcome(result.outcome, result.problems) for result in results])
        asked = iter(self._asked([prepared for prepared in batch if prepared.errors]))
        return [next(asked if prepared.errors else written) for prepared in batch]

    def _asked(self, batch: Sequence[Prepared]) -> list[RowOutcome]:
        """Has the server check the rows, and write none of them: beside them it is given one that
        it must refuse, and either all are written or none.
        """
        outcomes = [RowOutcome(_TAKEN)] * len(batch)
        # Of one that could not be taken apart there is nothing to ask.
        left = [place for place, prepared in enumerate(batch) if not prepared.source.broken]
        while left:
            refusing = _refused_copy(batch[left[0]].body, self._fields)
            by_row = self._refused([*(batch[n].body for n in left), refusing])
            bad = [n for n in by_row if n < len(left)]
            for n in bad:
                outcomes[left[n]] = RowOutcome("", by_row[n])
            left = [place for n, place in enumerate(left) if n not in by_row]
            if not bad:
                break
        return outcomes

    def _refused(self, create: Sequence[dict[str, Any]]) -> dict[int, list[Problem]]:
        """What the server has against rows of which it must refuse the last."""
        try:
            self._rows.batch(create=create, on_existing=self._on_existing)
        except (InvalidRequest, NotFound) as error:
            return _by_row(error)
        raise AlmonerError(
            "The server took a row about somebody whom there is not, and the others with it: what"
            " was to be checked alone is written."
        )

    def _further(
        self, prepared: Prepared, problems: Sequence[Problem], first: int
    ) -> Iterator[RowError]:
        """What the server has against a row; a column that is refused already is refused once.
        ``first`` is the line of the request's first row with its id.
        """
        refused = {error.column for error in prepared.errors}
        for error in self._errors(prepared.source, problems):
            if error.column not in refused:
                is_twice = first != prepared.source.line and error.reason.startswith(_TWICE)
                yield replace(error, reason=f"line {first} has this id") if is_twice else error

    def _errors(self, source: SourceRow, problems: Sequence[Problem]) -> list[RowError]:
        return [
            RowError(
                source.line,
                self._column(problem.path or ""),
                # Which row of a request it was is nothing that a reader of the file can look up.
                _PLACE.sub(r"\1", problem.detail),
            )
            for problem in problems
        ]

    def _column(self, path: str) -> str:
        match = _ITEM.fullmatch(path)
        name = match[2] if match else path.lstrip(".")
        if name.startswith("external_ids"):
            return self._mapping.identified_by or EXTERNAL_ID
        return self._mapping.column_of(name)

    def _refuse(self, source: SourceRow, errors: list[RowError]) -> None:
        self.report.errors += errors
        self._count("refused")
        self._bad.add(source, [f"{e.column}: {e.reason}" if e.column else e.reason for e in errors])

    def _count(self, outcome: str) -> None:
        self.report.outcomes[outcome] = self.report.outcomes.get(outcome, 0) + 1


def _is_repeated(
    batch: Sequence[Prepared], under_way: Iterable[tuple[Sequence[Prepared], object]]
) -> bool:
    """Whether a row of a batch is one that is being written, so that it must come after it."""
    written = {row.own_id for earlier, _ in under_way for row in earlier if row.own_id}
    return any(row.own_id in written for row in batch)


def _refused_copy(body: dict[str, Any], fields: Fields) -> dict[str, Any]:
    """A row that no server takes: like this one, but about somebody whom there is not."""
    nobody = {fields.reference() or "id": str(uuid4())}
    return {name: value for name, value in body.items() if name != "external_ids"} | nobody


def _by_row(error: ApiError) -> dict[int, list[Problem]]:
    rows: dict[int, list[Problem]] = {}
    for problem in error.problems:
        match = _ITEM.fullmatch(problem.path or "")
        if match is None:
            # It is about the request as a whole.
            raise error
        rows.setdefault(int(match[1]), []).append(problem)
    return rows


class Place:
    """How far an import is, in a file beside the one that is read; only where that and its mapping
    are as they were.
    """

    def __init__(self, source: Path, mapping: Mapping) -> None:
        self._path = source.with_name(f"{source.name}.progress")
        stat = source.stat()
        known = [stat.st_size, stat.st_mtime_ns, mapping.as_values()]
        self._digest = sha256(json.dumps(known).encode()).hexdigest()

    def line(self) -> int:
        """The line up to which all is done; 0 at the beginning."""
        try:
            values = json.loads(self._path.read_text())
            return int(values["line"]) if values["of"] == self._digest else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def reach(self, line: int) -> None:
        """All is done up to this line."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(json.dumps({"of": self._digest, "line": line}))
        fresh.replace(self._path)

    def forget(self) -> None:
        """The import is done."""
        self._path.unlink(missing_ok=True)
