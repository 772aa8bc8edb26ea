"""What narrows the access log: read from an address, and put back into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from almoner.access.worker_events import EventSearch
from almoner.portal.admin_access.wording import GROUPS, kinds_of
from almoner.portal.admin_audit.filters import midnight
from almoner.vocabulary.kinds import Guid

PATH: Final = "/admin/access"
_NAMES: Final = ("actor", "worker", "kind", "begin", "end", "show")
KIND_OPTIONS: Final = (("", "Everything"), *((name, title) for name, (title, _) in GROUPS.items()))


@dataclass(frozen=True)
class AccessFilters:
    """The filters as they were typed, what they ask for, and what is wrong with them by field."""

    texts: Mapping[str, str]
    search: EventSearch
    errors: Mapping[str, str]

    @property
    def is_narrowed(self) -> bool:
        return any(text for name, text in self.texts.items() if name != "show")

    def address(self, **further: object) -> str:
        """The address of the log with these filters."""
        values = {name: value for name, value in {**self.texts, **further}.items() if value}
        return f"{PATH}?{urlencode(values)}" if values else PATH


def filters(text: Callable[[str], str], timezone: str) -> AccessFilters:
    """The filters that ``text`` gives by name. Days are those of ``timezone``, an IANA name."""
    texts = {name: text(name).strip()[:100] for name in _NAMES}
    texts["show"] = "all" if texts["show"] == "all" else ""
    errors: dict[str, str] = {}
    begin = midnight(texts["begin"], timezone, 0, name="begin", errors=errors)
    end = midnight(texts["end"], timezone, 1, name="end", errors=errors)
    if begin and end and end <= begin and not errors:
        errors["end"] = "The last day is before the first."
    kinds = kinds_of(texts["kind"])
    search = EventSearch(
        worker_id=Guid().decode(texts["worker"], "", []) if texts["worker"] else None,
        actor=texts["actor"] or None,
        kinds=kinds or None,
        begin=begin,
        end=end,
        # Whoever asks for sign-ins gets them.
        only_access=not texts["show"] and texts["kind"] in ("", "clients", "webhooks", "program"),
    )
    return AccessFilters(texts, search, errors)
