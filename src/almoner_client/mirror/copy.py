"""A copy of a server's collections: its first load, and how it catches up with the change feed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner_client._sync.client import Client
from almoner_client.answers import NULL, FeedPage
from almoner_client.errors import AlmonerError, Forbidden, Gone, NotFound
from almoner_client.mirror import layout
from almoner_client.mirror.destination import VIEWS, Destination, Fence, TableChanges
from almoner_client.mirror.layout import Table
from almoner_client.mirror.loading import PagesSideBySide
from almoner_client.mirror.progress import Progress
from almoner_client.mirror.rows import CopiedRow, LayoutChangedError, reader

AFTER, COLLECTIONS = "after", "collections"
# Noted of a copy that has had every collection; as a name, it stands for all of them.
ALL: Final = "all"
# Whose the copy is: what the feed calls its environment.
ENVIRONMENT: Final = "environment"
# How every row is to be compared, where there is doubt: by version or by JSON.
REPAIR: Final = "repair"
DONE: Final = "done"
# What a transaction of somebody else may hold up before a copy that is asked to end goes on waiting
# in vain.
_SETTLED_SECONDS: Final = 60
# The server looks anew at what is settled a tenth of a second after it was asked.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.12, 1.0
_FROM, _TO, _SIZE = "page[from]", "page[to]", "page[size]"


def load_of(name: str) -> str:
    """What the state calls how far the first load of a collection is: the parameters of its next
    page, or ``done``.
    """
    return f"load:{name}"


def check_environment(noted: str | None, environment: str) -> None:
    """Raises AlmonerError where a copy that notes one environment is to go on with another."""
    if noted and environment and noted != environment:
        raise AlmonerError(
            "This copy is of another environment than these credentials are for; nothing was"
            " written. Give another address of a copy, or the credentials of a client of the"
            " environment that it is of."
        )


class Mirror:
    """A copy of what it has already and of these collections, among which ``all`` stands for every
    one. A new one is of all where none are named. A copy of all takes up what the server offers
    later. ``say`` is told what happens, in words.
    """

    def __init__(
        self,
        client: Client,
        destination: Destination,
        collections: Sequence[str] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.client = client
        self.destination = destination
        self.tables: dict[str, Table] = {}
        self.say = say
        self._asked = tuple(collections)
        self._readers: dict[str, Callable[[Iterable[msgspec.Raw]], list[CopiedRow]]] = {}
        self._all = False
        # What the feed has told of, and the copy has no table for.
        self._passed_over: set[str] = set()
        self._read_after = ""

    @property
    def covers_all(self) -> bool:
        """Whether the copy has every collection that the server offers."""
        return self._all

    @property
    def after(self) -> str:
        """Where the copy stands in the feed."""
        return self.destination.state()[AFTER]

    def prepare(self) -> None:
        """Makes what is missing in the copy: tables, columns, views, and where it begins in the
        feed. Raises AlmonerError where a collection is not known, and where the copy is of another
        environment: nothing is written then.
        """
        state = self.destination.state()
        latest = self.client.feed("latest").meta
        check_environment(state.get(ENVIRONMENT), latest.environment)
        known = layout.tables(self.client.openapi())
        names = self._names(state, known)
        if self._is_enveloped(next(name for name in names if name in known)):
            known = layout.tables(self.client.openapi("enveloped"))
        self.tables = {name: known[name] for name in names if name in known}
        gone = [name for name in names if name not in known]
        if gone:
            self.say(
                f"The server has no collection {', '.join(gone)} any more: what is there stays."
            )
        self._all = set(self.tables) == set(known)
        self._readers = {
            name: reader(table, self.destination.read_as) for name, table in self.tables.items()
        }
        widened = self.destination.prepare(self.tables.values())
        if AFTER not in state:
            # Of two that begin at once the first says where: between its position and that of the
            # other it may have loaded already.
            self.destination.write([], {AFTER: latest.after}, Fence(AFTER, None))
        # Rows that did not change lack what the new columns have.
        noted = {REPAIR: "json"} if widened else {}
        if latest.environment:
            noted[ENVIRONMENT] = latest.environment
        if self._all:
            noted[ALL] = json.dumps(True)
        self.destination.write([], {**noted, COLLECTIONS: json.dumps(names)})
        self.renew_views()

    def _is_enveloped(self, name: str) -> bool:
        """How this client's answers are spelled, as its first page tells."""
        return next(iter(self.client.collection(name).pages({_SIZE: 1}))).enveloped

    def _names(self, state: Mapping[str, str], known: Mapping[str, Table]) -> list[str]:
        unknown = [name for name in self._asked if name not in known and name != ALL]
        if unknown:
            raise AlmonerError(
                f"There is no collection {', '.join(unknown)}. They are {', '.join(known)}."
            )
        before = json.loads(state.get(COLLECTIONS, "[]"))
        if ALL in self._asked or not (before or self._asked):
            return list(dict.fromkeys([*before, *known]))
        names = list(dict.fromkeys([*before, *self._asked]))
        later = [name for name in known if name not in names] if ALL in state else ()
        return [*names, *(name for name in later if self._may_be_read(name))]

    def _may_be_read(self, name: str) -> bool:
        """Whether the client may read a collection that came later; the others wait for none."""
        try:
            next(iter(self.client.collection(name).pages({_SIZE: 1})))
        except Forbidden as error:
            self.say(f"{name} is not copied. {error}")
            return False
        return True

    def renew_views(self) -> None:
        """Makes the views of the program as it is now; a scope without it has none."""
        try:
            program = self.client.program()
        except (NotFound, Forbidden):
            return
        noted = self.destination.state().get(VIEWS)
        before = {view.name: view for view in layout.noted_views(noted)}
        views = layout.widened(layout.views(program, self.tables), before)
        text = json.dumps([asdict(view) for view in views])
        if text != noted:
            self.destination.make_views(views)
            self.destination.write([], {VIEWS: text})

    def load(self) -> None:
        """The first load of what is not loaded yet, several collections side by side. Where it was
        ended, it goes on. Raises AlmonerError.
        """
        state = self.destination.state()
        starts: dict[str, dict[str, Any]] = {
            name: json.loads(state.get(load_of(name), "{}"))
            for name in self.tables
            if state.get(load_of(name)) != DONE
        }
        if not starts:
            return
        self.say(f"Loading {', '.join(starts)}.")
        progress = Progress(self._total(starts) if not any(starts.values()) else None)
        fences = {name: Fence(load_of(name), state.get(load_of(name))) for name in starts}
        with PagesSideBySide(self.client, starts) as pages:
            for name, page in pages:
                rows = self._readers[name](page.rows)
                position = DONE if page.following is None else json.dumps(page.following)
                changes = [TableChanges(self.tables[name], rows)]
                if not self.destination.write(changes, {load_of(name): position}, fences[name]):
                    raise AlmonerError("Another process is loading this copy. End one of them.")
                fences[name] = Fence(load_of(name), position)
                progress.add(len(rows))
        progress.end()

    def _total(self, names: Iterable[str]) -> int | None:
        """How many rows there are; None where the server cannot tell."""
        try:
            # The database need not render the rows to count them.
            return sum(self.client.digest(name, by="version").count for name in names)
        except (NotFound, Forbidden):
            return None

    def catch_up(self) -> None:
        """Follows the feed until everything is in the copy that was committed before this was
        called. Raises AlmonerError where somebody's transaction holds that up for a minute.
        """
        name = next(iter(self.tables))
        asked_at = self._moment(name, _TO)
        ends_at, pause = time.monotonic() + _SETTLED_SECONDS, _FIRST_PAUSE
        while True:
            is_settled = self._moment(name, "complete_until") >= asked_at
            while self.apply(self.next_page(wait=0)):
                pass
            if is_settled:
                return
            if time.monotonic() > ends_at:
                raise AlmonerError(
                    "The server's feed does not settle: a transaction has been open for longer than"
                    " a minute. Its operator finds it in pg_stat_activity."
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _moment(self, name: str, which: str) -> datetime:
        """The end of a Find, which is the server's time, or up to when a Find misses nothing."""
        page = next(iter(self.client.collection(name).pages({_SIZE: 1})))
        text = page.complete_until if which == "complete_until" else page.current[_TO]
        return datetime.fromisoformat(str(text))

    def next_page(self, wait: int) -> FeedPage:
        """The feed behind where the copy stands."""
        resources = () if self._all else tuple(self.tables)
        self._read_after = self.after
        if wait:
            self.destination.released()
        try:
            return self.client.feed(self._read_after, resources, rows=True, wait=wait)
        except Gone as error:
            self.say(f"{error}.")
            # What was told between the two is found as every row is compared.
            latest = self.client.feed("latest").meta.after
            state = {AFTER: latest, REPAIR: self.destination.state().get(REPAIR, "version")}
            self.destination.write([], state, Fence(AFTER, self._read_after))
            self._read_after = self.after
            return self.client.feed(self._read_after, resources, rows=True)

    def apply(self, page: FeedPage) -> bool:
        """Writes a page of the feed into the copy; whether more is there."""
        if self._all:
            named = {change.resource for change in page.data if change.resource is not None}
            later = named - self.tables.keys() - self._passed_over
            if later:
                self._passed_over |= later
                self._renew(", ".join(sorted(later)))
        try:
            self._apply(page)
        except LayoutChangedError as error:
            self._renew(str(error))
            self._apply(page)
        return page.meta.more

    def _renew(self, what: str) -> None:
        """Takes up what a server has that was brought up to date."""
        self.say(f"The server has something new ({what}).")
        self.prepare()
        self.load()

    def _apply(self, page: FeedPage) -> None:
        latest: dict[str, dict[str, msgspec.Raw]] = {}
        state: dict[str, str | None] = {AFTER: page.meta.after}
        for change in page.data:
            if change.kind == "epoch":
                # What was told behind ``survived_until`` may be gone, and what was told to be gone
                # may be there again: every row is compared.
                state[REPAIR] = self.destination.state().get(REPAIR, "version")
            elif change.resource in self.tables and change.id is not None:
                latest.setdefault(change.resource, {})[change.id] = change.row
        changes = [self._changes(name, rows) for name, rows in latest.items()]
        if page.meta.after != self._read_after or changes or REPAIR in state:
            # Where another process has gone on meanwhile, this page is there already.
            self.destination.write(changes, state, Fence(AFTER, self._read_after))

    def _changes(self, name: str, rows: Mapping[str, msgspec.Raw]) -> TableChanges:
        read = self._readers[name]
        return TableChanges(
            self.tables[name],
            read(row for row in rows.values() if row != NULL),
            [row_id for row_id, row in rows.items() if row == NULL],
        )

    def fetched(self, name: str, ids: Sequence[str]) -> dict[str, CopiedRow]:
        """Rows as the server has them now, by their id; what is gone is not among them."""
        rows = self.client.collection(name).with_ids(ids)
        return dict(zip(rows, self._readers[name](rows.values()), strict=True))
