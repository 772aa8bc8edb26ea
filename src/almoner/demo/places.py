"""Where the demo's people live: places whose zip codes, state, area code and time zone belong
together, with telephone numbers from the range that is kept for fiction (555-0100 to 555-0199).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class City:
    """A city with its state, county, time zone, area code and some of its zip codes."""

    city: str
    state: str
    county: str
    timezone: str
    area_code: str
    zip_codes: tuple[str, ...]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(";"))


def _places(text: str) -> tuple[City, ...]:
    places = []
    for line in text.strip().splitlines():
        city, state, county, timezone, area_code, zip_codes = (
            part.strip() for part in line.split("|")
        )
        places.append(
            City(
                city=city,
                state=state,
                county=county,
                timezone=timezone,
                area_code=area_code,
                zip_codes=tuple(zip_codes.split()),
            )
        )
    return tuple(places)


PLACES: Final = _places("""
    San Francisco|CA|San Francisco County|America/Los_Angeles|415|94110 94103 94117 94122
    Oakland|CA|Alameda County|US/Pacific|510|94601 94610 94612
    Fresno|CA|Fresno County|America/Los_Angeles|559|93702 93720
    Los Angeles|CA|Los Angeles County|America/Los_Angeles|213|90012 90026 90033
    San Diego|CA|San Diego County|US/Pacific|619|92101 92104 92113
    Rancho Santa Margarita|CA|Orange County|America/Los_Angeles|949|92688
    Portland|OR|Multnomah County|America/Los_Angeles|503|97202 97211 97217
    Coeur d'Alene|ID|Kootenai County|America/Los_Angeles|208|83814 83815
    Seattle|WA|King County|America/Los_Angeles|206|98103 98118 98144
    Walla Walla|WA|Walla Walla County|US/Pacific|509|99362
    Las Vegas|NV|Clark County|America/Los_Angeles|702|89101 89109
    Boise|ID|Ada County|America/Boise|208|83702 83705
    Salt Lake City|UT|Salt Lake County|America/Denver|801|84102 84105
    Denver|CO|Denver County|America/Denver|303|80205 80211 80219
    Cañon City|CO|Fremont County|US/Mountain|719|81212
    Albuquerque|NM|Bernalillo County|America/Denver|505|87102 87106
    Truth or Consequences|NM|Sierra County|US/Mountain|575|87901
    Phoenix|AZ|Maricopa County|America/Phoenix|602|85004 85016 85031
    Window Rock|AZ|Apache County|America/Denver|928|86515
    El Paso|TX|El Paso County|America/Denver|915|79901 79912
    Missoula|MT|Missoula County|America/Denver|406|59801 59802
    Houston|TX|Harris County|America/Chicago|713|77004 77008 77021
    Dallas|TX|Dallas County|US/Central|214|75201 75208 75216
    San Antonio|TX|Bexar County|America/Chicago|210|78205 78207
    Austin|TX|Travis County|America/Chicago|512|78702 78704 78745
    New Orleans|LA|Orleans Parish|America/Chicago|504|70115 70117 70119
    Chicago|IL|Cook County|America/Chicago|312|60608 60618 60622 60647
    Minneapolis|MN|Hennepin County|America/Chicago|612|55404 55407
    St. Louis|MO|St. Louis City|US/Central|314|63104 63118
    Omaha|NE|Douglas County|America/Chicago|402|68102 68104
    Bismarck|ND|Burleigh County|America/Chicago|701|58501
    Memphis|TN|Shelby County|America/Chicago|901|38104 38106
    Birmingham|AL|Jefferson County|America/Chicago|205|35203 35205
    Jackson|MS|Hinds County|America/Chicago|601|39201 39206
    Milwaukee|WI|Milwaukee County|America/Chicago|414|53204 53212
    Indianapolis|IN|Marion County|America/Indiana/Indianapolis|317|46201 46218
    Detroit|MI|Wayne County|America/Detroit|313|48201 48209
    Cleveland|OH|Cuyahoga County|America/New_York|216|44102 44113
    Louisville|KY|Jefferson County|America/Kentucky/Louisville|502|40203 40208
    Charleston|WV|Kanawha County|America/New_York|304|25301 25302
    Pittsburgh|PA|Allegheny County|America/New_York|412|15206 15213
    Philadelphia|PA|Philadelphia County|US/Eastern|215|19104 19121 19147
    New York|NY|New York County|America/New_York|212|10002 10027 10034
    Brooklyn|NY|Kings County|America/New_York|718|11206 11211 11220
    Newark|NJ|Essex County|US/Eastern|973|07102 07104
    Boston|MA|Suffolk County|America/New_York|617|02118 02125 02128
    Providence|RI|Providence County|America/New_York|401|02903 02907
    Burlington|VT|Chittenden County|America/New_York|802|05401
    Portland|ME|Cumberland County|America/New_York|207|04101 04102
    Baltimore|MD|Baltimore City|America/New_York|410|21201 21217 21224
    Washington|DC||America/New_York|202|20001 20009 20019
    Richmond|VA|Richmond City|America/New_York|804|23220 23223
    Winston-Salem|NC|Forsyth County|America/New_York|336|27101 27105
    Atlanta|GA|Fulton County|America/New_York|404|30310 30312 30314
    Miami|FL|Miami-Dade County|America/New_York|305|33125 33135 33142
    Pensacola|FL|Escambia County|US/Central|850|32501 32503
    Anchorage|AK|Anchorage Municipality|America/Anchorage|907|99501 99508
    Honolulu|HI|Honolulu County|Pacific/Honolulu|808|96813 96817
    Mayagüez|PR|Mayagüez Municipio|America/Puerto_Rico|787|00680 00682
    San Juan|PR|San Juan Municipio|America/Puerto_Rico|787|00907 00926
    Hagåtña|GU||Pacific/Guam|671|96910
    """)


STREETS: Final = _listed("""
    Maple Street; 17th Street; Oak Avenue; Martin Luther King Jr. Boulevard; Calle Peña; Sunset
    Drive; Elm Court; County Road 1140; Washington Street; Rue Dauphine; Cesar E. Chavez Avenue;
    Mill Lane; Prospect Place; A Street; Lakeview Terrace; Old Mill Road NE; Pine Ridge Way;
    State Highway 12; Peachtree Circle; Hope Street; Broadway
    """)
_SECOND_LINES: Final = _listed("""
    Apt {n}; #{n}; Unit {n}B; Floor {n}; c/o the Hendersons; Lot {n}; Building {n}, rear entrance
    """)


def phone_number(rng: Random, place: City) -> str:
    """A number of the range that is kept for fiction, in the place's area code."""
    return f"{place.area_code}-555-01{rng.randrange(100):02d}"


def address(rng: Random, place: City) -> dict[str, str | None]:
    """The address of a patient in this place. Now and then some or all of it is not known
    (null).
    """
    known = rng.random()
    street = f"{rng.randrange(1, 9900)} {rng.choice(STREETS)}"
    second = (
        rng.choice(_SECOND_LINES).format(n=rng.randrange(1, 90)) if rng.random() < 0.3 else None
    )
    zip_code = rng.choice(place.zip_codes)
    country = rng.choice(("USA", "USA", "USA", "United States", None))
    if known < 0.06:
        return {}
    return {
        "street": street if known > 0.12 else None,
        "street_line_two": second if known > 0.12 else None,
        "city": place.city,
        "county": place.county if place.county and known > 0.35 else None,
        "zip_code": zip_code if known > 0.09 else None,
        "state": place.state,
        "country": country,
    }
