"""How clocks and weeks are written where a time zone lies, for whoever has not said how they read
them.

The countries are those of the Unicode CLDR (supplemental data, timeData and weekData).
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Final

MONDAY: Final = 0
SATURDAY: Final = 5
SUNDAY: Final = 6

_TWELVE_HOURS: Final = (
    "AG AS AU BB BD BM BS CA CO DM EG FJ FM GD GH GM GU GY HK IN JM JO KH KI KN KR KW KY LB LC LR"
    " LS MH MO MP MW MY NZ OM PG PH PK PR PW QA SA SB SD SG SL SS SY TC TO TT TW UM US VC VE VG VI"
    " VU WS YE ZM"
)
_FROM_SUNDAY: Final = (
    "AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN JM JP KE KH KR LA MH MM MO MT MX"
    " MZ NI NP PA PE PH PK PR PT PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW"
)
_FROM_SATURDAY: Final = "AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY"

# Where 3/4/2026 is the fourth of March to everybody (CLDR, dateFormats): the United States and
# their territories.
_MONTH_FIRST: Final = "AS FM GU MH MP PR PW UM US VI"


def month_first(timezone: str) -> bool:
    """Whether a day in digits with strokes begins with its month where this IANA zone lies; False
    where that is not known.
    """
    return _countries().get(timezone) in _MONTH_FIRST.split()


def clock_hours(timezone: str) -> int:
    """12 or 24: how many hours a clock counts where this IANA zone lies; 24 where that is not
    known.
    """
    return 12 if _countries().get(timezone) in _TWELVE_HOURS.split() else 24


def first_weekday(timezone: str) -> int:
    """The weekday that a week begins with where this IANA zone lies; Monday (0) where that is not
    known.
    """
    country = _countries().get(timezone)
    return (
        SUNDAY
        if country in _FROM_SUNDAY.split()
        else SATURDAY
        if country in _FROM_SATURDAY.split()
        else MONDAY
    )


@lru_cache(1)
def _countries() -> dict[str, str]:
    """The country (ISO 3166) of each zone, its older names included, as the zone data of the
    package ``tzdata`` has them.
    """
    zones = files("tzdata") / "zoneinfo"
    country_of = {}
    for line in (zones / "zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            country_of[zone] = country
    for line in (zones / "tzdata.zi").read_text().splitlines():
        if line.startswith("L "):
            _, zone, older = line.split()
            if zone in country_of:
                country_of.setdefault(older, country_of[zone])
    return country_of
