"""Kinds of field that are about time: days, moments and time zones (contract: Types, clarification
11).
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from almoner.vocabulary.kinds import Kind, Problems, Schema, Text

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
# The offset's sign may have become a space: a raw "+" in a query string is decoded as one
# (clarification 11).
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([-+"
    r" ])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
# ISO 8601's basic format has neither hyphens nor colons.
_BASIC = re.compile(
    r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(?:(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([-+"
    r" ])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
# RFC 3339 has a year 0; neither Python nor PostgreSQL has one.
_YEAR_0: Final[Schema] = {"type": "string", "pattern": "^0000"}

TIMEZONES: Final = frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


class IsoDate(Kind):
    """A day, ``2018-09-15``, without a time zone: it is a day where the patient or worker lives."""

    name = "isodate"
    column = "date"
    widget = "date"
    hint = "a date such as 2018-09-15 is expected"
    sample = "2018-09-15"

    def parse(self, value: Any) -> date:
        match = _DATE.fullmatch(value)
        if match is None:
            raise ValueError
        return date(*map(int, match.groups()))

    def schema(self) -> Schema:
        return {"type": "string", "format": "date", "not": _YEAR_0}


class Birthday(IsoDate):
    """A day of birth: a date, or a datetime whose date counts (clarification 15)."""

    name = "birthday"
    sample = "1906-12-09"

    def parse(self, value: Any) -> date:
        match = _DATETIME.fullmatch(value) or _BASIC.fullmatch(value)
        return super().parse(value) if match is None else date(*map(int, match.groups()[:3]))


class IsoDateTime(Kind):
    """A moment. In: ISO 8601 as clarification 11 takes it, basic format included, no offset meaning
    UTC. Out: UTC, always six fraction digits.

    Digits of a fraction beyond the sixth are cut off, since a microsecond is what is kept. Inside a
    document a moment is kept as it was sent, but never in basic format: what reads documents knows
    one notation (``of_text``, ``almoner_open_since``)."""

    name = "isodatetime"
    column = "timestamptz"
    widget = "datetime-local"
    hint = "a date and time such as 2018-09-15T15:20:01+00:00 is expected"
    sample = "2018-09-12T01:27:32.031245+00:00"

    def parse(self, value: Any) -> datetime:
        match = _DATETIME.fullmatch(value) or _BASIC.fullmatch(value)
        if match is None:
            raise ValueError
        year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = match.groups()
        micros = int((fraction or "0")[:6].ljust(6, "0"))
        # A leap second is the one after the 59th: no clock of ours counts it (RFC 3339, 5.7).
        leap = timedelta(seconds=1) if second == "60" else timedelta()
        moment = (
            datetime(
                int(year),
                int(month),
                int(day),
                int(hour),
                int(minute),
                59 if leap else int(second or 0),
                micros,
                UTC,
            )
            + leap
        )
        if sign is None:
            return moment
        if int(hours) > 23 or int(minutes or 0) > 59:
            raise ValueError
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return moment + offset if sign == "-" else moment - offset

    def keep(self, value: Any, path: str, problems: Problems) -> Any:
        moment = self.decode(value, path, problems)
        return value if moment is None or _BASIC.fullmatch(value) is None else iso(moment)

    def schema(self) -> Schema:
        return {"type": "string", "format": "date-time", "not": _YEAR_0}

    def of_text(self, text: str) -> str:
        """The SQL expression of a moment that is kept in a JSON document as it was sent, in any
        notation; null where it is none.
        """
        return (
            "(SELECT greatest((m.part[1] || ' ' || m.part[2] || coalesce('.' || m.part[3],"
            " ''))::timestamp - CASE m.part[4] WHEN '-' THEN -1 ELSE 1 END * make_interval(hours"
            " => coalesce(m.part[5], '0')::integer, mins => coalesce(m.part[6], '0')::integer),"
            f" '0001-01-01'::timestamp) AT TIME ZONE 'UTC' FROM regexp_match({text},"
            " '^(\\d{4}-\\d\\d-\\d\\d)[Tt"
            " ](\\d\\d:\\d\\d(?::\\d\\d)?)(?:[.,](\\d{1,6})\\d*)?(?:[Zz]|([-+"
            " ])(\\d\\d):?(\\d\\d)?)?$') AS m(part) WHERE m.part IS NOT NULL)"
        )

    def to_json(self, column: str) -> str:
        return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""


class Bound(IsoDateTime):
    """A moment at which a span begins or ends, both inclusive: also a bare date, which is its
    midnight in UTC (clarification 11).

    Elsewhere a bare date is no moment: an appointment on a day is none at midnight of another zone.
    """

    hint = "a date and time such as 2018-09-15T15:20:01+00:00, or a date, is expected"

    def parse(self, value: Any) -> datetime:
        if _DATE.fullmatch(value) is None:
            return super().parse(value)
        day = IsoDate().parse(value)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """A moment as the API writes it: UTC, six fraction digits, with the offset (clarification
    11).
    """
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(
        timespec="microseconds"
    )


def iso_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


class Timezone(Text):
    """An IANA time zone name, aliases such as ``US/Pacific`` included."""

    name = "timezone"
    widget = "timezone"
    hint = "an IANA time zone is expected, such as America/Los_Angeles"
    sample = "US/Pacific"

    def parse(self, value: Any) -> str:
        if value not in TIMEZONES:
            raise ValueError
        text: str = value
        return text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[A-Za-z0-9_+/-]+$"}
