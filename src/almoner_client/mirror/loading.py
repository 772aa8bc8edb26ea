"""Several collections read side by side, so that a load waits for the network once for all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, Final, Self

from almoner_client._sync.client import Client
from almoner_client.answers import RowPage

# Pages that are read ahead; with some megabytes each they are what a load holds in memory.
_AHEAD: Final = 2
_THREADS: Final = 3
_LOOK_SECONDS: Final = 0.2


class PagesSideBySide:
    """The pages of several Finds, in the order in which they come; those of one collection are in
    theirs. Iterating raises what a request raised.
    """

    def __init__(self, client: Client, starts: Mapping[str, Mapping[str, Any]]) -> None:
        self._client = client
        self._pages: Queue[tuple[str, RowPage | Exception]] = Queue(_AHEAD)
        self._left: Queue[tuple[str, Mapping[str, Any]]] = Queue()
        for start in starts.items():
            self._left.put(start)
        self._count = len(starts)
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, daemon=True)
            for _ in range(min(_THREADS, self._count))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def __iter__(self) -> Iterator[tuple[str, RowPage]]:
        done = 0
        while done < self._count:
            name, page = self._pages.get()
            if isinstance(page, Exception):
                raise page
            yield name, page
            done += page.following is None

    def _read(self) -> None:
        while not self._ended.is_set():
            try:
                name, query = self._left.get_nowait()
            except Empty:
                return
            try:
                for page in self._client.collection(name).lines(query):
                    if not self._hand_over(name, page):
                        return
            except Exception as error:
                self._hand_over(name, error)
                return

    def _hand_over(self, name: str, page: RowPage | Exception) -> bool:
        while not self._ended.is_set():
            try:
                self._pages.put((name, page), timeout=_LOOK_SECONDS)
            except Full:
                continue
            return True
        return False
