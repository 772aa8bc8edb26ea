"""Who the demo's people are and where they live: names of many languages and scripts, and places that fit together.

A place's zip codes, state, area code and time zone belong to it; telephone numbers are from the range that is kept for
fiction (555-0100 to 555-0199), e-mail addresses from the domains that are kept for examples (RFC 2606).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class DemoName:
    """A name as its bearer writes it, and how it is spelt with the letters a to z."""

    shown: str
    latin: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Given and family names that go together; ``share`` is how often they occur, compared to other origins.

    ``language``: what some of the people prefer to write in.
    """

    share: int
    given: tuple[DemoName, ...]
    family: tuple[DemoName, ...]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """``handle`` is what an e-mail address is made of: the name in lower-case letters a to z, hyphens and one dot."""

    first_name: str
    last_name: str
    handle: str
    language: str


@dataclass(frozen=True, slots=True)
class City:
    """A city with its state, county, time zone, area code and some of its zip codes."""

    city: str
    state: str
    county: str
    timezone: str
    area_code: str
    zip_codes: tuple[str, ...]


# Letters that have no plain letter inside them, unlike é, which is an e with a mark.
_SPELT: Final = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ß": "ss", "æ": "ae", "Æ": "Ae", "ı": "i"}
    | {"þ": "th", "Þ": "Th", "ð": "d", "ə": "e", "Ə": "E", "œ": "oe"}
)


def _latin(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_SPELT)).lower()
    return "".join(c for c in plain if c.isascii() and (c.isalnum() or c == "-"))


def _names(text: str) -> tuple[DemoName, ...]:
    """``Zoë, 李=Li``: names between commas, with their spelling behind ``=`` where they are not of the Latin script."""
    found = []
    for entry in text.split(","):
        shown, _, spelt = entry.strip().partition("=")
        found.append(DemoName(shown, _latin(spelt or shown)))
    return tuple(found)


ORIGINS: Final = (
    Origin(
        26,
        _names(
            "James, Mary, Robert, Patricia, John, Linda, Michael, Barbara, Karen, Thomas, Sarah, Charles, Nancy, Daniel, Betty, "
            "Anthony, Margaret, Mark, Sandra, Steven, Ashley, Joshua, Emily, Kevin, Donna, Brian, Michelle, Carol, Amanda, "
            "Gary, Rebecca, Eric, Sharon, Jonathan, Cynthia, Larry, Kathleen, Scott, Mary Ann, J. R., Jo, Ty, Bartholomew"
        ),
        _names(
            "Smith, Johnson, Williams, Brown, Jones, Davis, Miller, Wilson, Anderson, Taylor, Moore, Jackson, Martin, Thompson, "
            "White, Harris, Clark, Lewis, Walker, Hall, Young, King, Wright, Scott, Green, Baker, Adams, Nelson, Hill, Carter, "
            "Ng-Whitfield, Featherstonehaugh, St. John, Saint-Clair Beaumont, Fox, Ash, Lee, Winterbottom-Harcourt"
        ),
    ),
    Origin(
        9,
        _names(
            "Aaliyah, Darnell, Keisha, Tyrone, Imani, DeShawn, Latoya, Jamal, Ebony, Marcus, Tanisha, Terrence, Nia, Andre, "
            "Shanice, D'Andre, Monique, Malik, La'Tasha, Xavier"
        ),
        _names("Washington, Jefferson, Freeman, Booker, Banks, Coleman, Dorsey, Gaines, Hampton, Mosley, Rivers, Tubbs, Prince"),
    ),
    Origin(
        16,
        _names(
            "María-José, José, Guadalupe, Juan Carlos, Sofía, Jesús, Ximena, Ángel, Lucía, Iñaki, Begoña, Andrés, Inés, Héctor, "
            "Concepción, Raúl, Yolanda, Víctor, Mónica, Joaquín, Esperanza, Óscar, Nuria, Álvaro"
        ),
        _names(
            "García, Rodríguez, Hernández, Martínez, López, González, Pérez, Sánchez, Ramírez, Núñez, Muñoz, Peña, Ibáñez, "
            "de la Cruz, García-Márquez, Fernández de Córdoba, Ortiz y Gasset, Zúñiga, Villaseñor, Etxeberria, Ríos"
        ),
        "es",
    ),
    Origin(
        4,
        _names("João, Beatriz, Antônio, Conceição, Luís, Inês, Gonçalo, Thaís, Caetano, Fátima"),
        _names("da Silva, dos Santos, Conceição, Araújo, Gonçalves, Magalhães, Brandão, de Assis e Moura, Vasconcelos, Sá"),
    ),
    Origin(
        4,
        _names("Siobhán, Seán, Aoife, Niamh, Pádraig, Caoimhe, Tadhg, Róisín, Fionnuala, Eoghan"),
        _names("O'Brien, Ó Súilleabháin, O'Connor, Mac Giolla Phádraig, McLaughlin, Ní Dhomhnaill, Fitzgerald, O'Shea, Dunne"),
    ),
    Origin(
        4,
        _names("François, Zoë, Hélène, Loïc, Anne-Sophie, Jean-Baptiste, Chloé, Étienne, Solène, Maëlle, Agnès, Benoît"),
        _names("Lefèvre, Dubois, Saint-Exupéry, Côté, L'Heureux, Béland-Thériault, de Montgolfier, Garçon, Noël, Hébert"),
        "fr",
    ),
    Origin(
        4,
        _names("Jürgen, Björn, Käthe, Günther, Annelörchen, Matthias, Ursel, Wolfgang, Heike, Jörg, Lieselotte"),
        _names("Müller, Groß, Schröder, Weiß, Wolfeschlegelsteinhausenbergerdorff, von der Leyen-Ziethen, Köhler, Fuß, Jäger"),
    ),
    Origin(
        3,
        _names("Ólafur, Sigríður, Þórdís, Håkon, Åsa, Søren, Märta, Ingibjörg, Väinö, Aino, Bjørn, Guðrún"),
        _names("Guðmundsson, Jónsdóttir, Ødegård, Sjöström, Nyström, Mäkelä, Hämäläinen, Kjærgaard, Þorsteinsson, Åkerlund"),
    ),
    Origin(
        3,
        _names("Łukasz, Małgorzata, Zdzisław, Agnieszka, Jiří, Věra, Božena, Šimon, Žofie, Grzegorz"),
        _names("Wiśniewski, Kowalczyk, Brzęczyszczykiewicz, Dvořák, Novák, Šťastný, Żółkiewski, Říha, Wójcik"),
    ),
    Origin(
        2,
        _names("Mihály, Ágnes, Győző, Ștefan, Ioana, Răzvan, Dušan, Đorđe, Željka, Nikolina"),
        _names("Szűcs, Kővári, Nagy-Horváth, Ionescu, Bălănescu, Đurđević, Živković, Šarić"),
    ),
    Origin(
        2,
        _names("Ayşe, Çağlar, İbrahim, Gülşen, Işıl, Oğuz, Leyla, Ömer"),
        _names("Yılmaz, Öztürk, Çelik, Şahin, Kılıç, Güneş, Doğan"),
    ),
    Origin(
        5,
        _names("Nguyệt, Thị Hồng, Văn Hùng, Minh Châu, Đức, Quỳnh Anh, Hạnh, Bảo, Thanh Tâm, Phương"),
        _names("Nguyễn, Trần, Lê, Phạm, Huỳnh, Võ, Đặng, Bùi, Ngô"),
    ),
    Origin(
        4,
        _names("Priya, Arjun, Ananya, Venkataraghavan, Lakshmi, Sanjay, Deepika, Mohammed Faisal, Harpreet, Chandrasekhar, Om"),
        _names("Patel, Sharma, Iyer, Singh, Kaur, Venkatanarasimharajuvaripeta, Chatterjee, Reddy, Subramaniam, Khan, D'Souza"),
    ),
    Origin(
        3,
        _names("Malia, Keoni, Kawika, Leilani, Nāmaka, Kahoʻolani, Tavita, Sina"),
        _names("Kealoha, Kamehameha-Nāone, Kaʻahumanu, Keihanaikukauakahihuliheekahaunaele, Tuiasosopo, Faʻasavalu"),
    ),
    Origin(
        2,
        _names("Dezba, Hosteen, Winona, Tallulah, Ahiga, Kachina, Chayton, Nizhoni"),
        _names("Begay, Yazzie, Tsosie, Black Elk, Two Bulls, Whitehorse, Benally, Runs Above"),
    ),
    Origin(
        4,
        _names("Oluwaseun, Chidinma, Kwame, Adaeze, Ngozi, Thandiwe, Sipho, Wanjikũ, Abebe, Tẹ́mítọ́pẹ́, Chukwuemeka, Aïssatou"),
        _names("Okafor, Adéyẹmí, Mensah, Nkrumah, Dlamini, Oyelaran-Oyeyinka, Njoroge, N'Diaye, Ogunbanjo, Tesfaye"),
    ),
    Origin(
        3,
        _names("Layla, Yusuf, Abd al-Rahman, Fatima al-Zahra, Omar, Noor, Tariq, Hanan"),
        _names("Haddad, al-Masri, El-Sayed, Khoury, Nassar, bin Rashid, Abu-Jamous, Darwish"),
    ),
    Origin(
        3,
        _names("Maria Clara, Jejomar, Dalisay, Bayani, Ma. Lourdes, Ligaya, Crisanto"),
        _names("Dela Cruz, Bautista, Macapagal, Pangilinan, Batongbacal, Panganiban, Sy"),
    ),
    Origin(
        3,
        _names("明=Ming, 秀英=Xiuying, 伟=Wei, 小红=Xiaohong, 建国=Jianguo, 雨桐=Yutong, 志强=Zhiqiang"),
        _names("李=Li, 王=Wang, 张=Zhang, 陈=Chen, 欧阳=Ouyang, 刘=Liu, 司馬=Szema"),
    ),
    Origin(
        2,
        _names("지우=Jiwoo, 민준=Minjun, 서연=Seoyeon, 영숙=Youngsook, 현우=Hyunwoo"),
        _names("김=Kim, 이=Yi, 박=Park, 최=Choi, 남궁=Namgung, 정=Jung"),
    ),
    Origin(
        2,
        _names("さくら=Sakura, 健太=Kenta, 美咲=Misaki, 翔=Sho, ハルカ=Haruka, 節子=Setsuko"),
        _names("佐藤=Sato, 鈴木=Suzuki, 勅使河原=Teshigawara, 田中=Tanaka, 渡邉=Watanabe"),
    ),
    Origin(
        2,
        _names("Олена=Olena, Дмитрий=Dmitry, Наталія=Nataliia, Святослав=Sviatoslav, Анастасия=Anastasia, Юрій=Yurii"),
        _names("Шевченко=Shevchenko, Кузнецов=Kuznetsov, Римский-Корсаков=Rimsky-Korsakov, Ющенко=Yushchenko, Ким=Kim"),
    ),
    Origin(
        1,
        _names("Ελένη=Eleni, Κωνσταντίνος=Konstantinos, Σοφία=Sofia, Γιώργος=Giorgos"),
        _names("Παπαδόπουλος=Papadopoulos, Παπαδημητρακόπουλος=Papadimitrakopoulos, Νικολάου=Nikolaou"),
    ),
    Origin(
        1,
        _names("محمد=Mohammed, فاطمة=Fatima, عبد الرحمن=Abdulrahman, ليلى=Layla, שרה=Sarah, אברהם=Avraham"),
        _names("الحداد=Alhaddad, عبد الله=Abdullah, المصري=Almasri, כהן=Cohen, בן־דוד=Ben-David"),
    ),
    Origin(
        1,
        _names("प्रिया=Priya, अर्जुन=Arjun, லட்சுமி=Lakshmi, สมชาย=Somchai, อรุณี=Arunee, አበበ=Abebe, ნინო=Nino, Արամ=Aram"),
        _names("शर्मा=Sharma, पटेल=Patel, ராமன்=Raman, ศรีสุวรรณ=Srisuwan, ተስፋዬ=Tesfaye, ბერიძე=Beridze, Պետրոսյան=Petrosyan"),
    ),
)
_SHARES: Final = tuple(o.share for o in ORIGINS)


def _places(text: str) -> tuple[City, ...]:
    found = []
    for line in text.strip().splitlines():
        city, state, county, timezone, area_code, zip_codes = (part.strip() for part in line.split("|"))
        found.append(
            City(city=city, state=state, county=county, timezone=timezone, area_code=area_code, zip_codes=tuple(zip_codes.split()))
        )
    return tuple(found)


PLACES: Final = _places(
    """
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
    """
)
STREETS: Final = (
    *("Maple Street", "17th Street", "Oak Avenue", "Martin Luther King Jr. Boulevard", "Calle Peña", "Sunset Drive", "Elm Court"),
    *("County Road 1140", "Washington Street", "Rue Dauphine", "Cesar E. Chavez Avenue", "Mill Lane", "Prospect Place", "A Street"),
    *("Lakeview Terrace", "Old Mill Road NE", "Pine Ridge Way", "State Highway 12", "Peachtree Circle", "Hope Street", "Broadway"),
)
_SECOND_LINES: Final = ("Apt {n}", "#{n}", "Unit {n}B", "Floor {n}", "c/o the Hendersons", "Lot {n}", "Building {n}, rear entrance")
DOMAINS: Final = ("example.org", "example.com", "example.net", "mail.example.org", "post.example.com")


def person(rng: Random) -> DemoPerson:
    """Somebody with a name whose parts mostly go together."""
    origin = rng.choices(ORIGINS, _SHARES)[0]
    given, family = rng.choice(origin.given), rng.choice(origin.family)
    if rng.random() < 0.06:
        # Families come about across languages too.
        family = rng.choice(rng.choice(ORIGINS).family)
    return DemoPerson(given.shown, family.shown, f"{given.latin}.{family.latin}", origin.language)


def phone_number(rng: Random, place: City) -> str:
    """A number of the range that is kept for fiction, in the place's area code."""
    return f"{place.area_code}-555-01{rng.randrange(100):02d}"


def email_address(rng: Random, someone: DemoPerson) -> str:
    """One of the ways in which people make an address of their name."""
    given, _, family = someone.handle.partition(".")
    local = rng.choice((someone.handle, f"{given}{rng.randrange(40, 99)}", f"{given[:1]}.{family}", f"{family}+{given}"))
    return f"{local}@{rng.choice(DOMAINS)}"


def address(rng: Random, place: City) -> dict[str, str | None]:
    """The address of a patient in this place. Now and then some or all of it is not known (null)."""
    known = rng.random()
    street = f"{rng.randrange(1, 9900)} {rng.choice(STREETS)}"
    second = rng.choice(_SECOND_LINES).format(n=rng.randrange(1, 90)) if rng.random() < 0.3 else None
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


def distinct(rng: Random, count: int) -> Iterable[DemoPerson]:
    """So many people, no two of whom have the same handle."""
    seen: set[str] = set()
    while len(seen) < count:
        someone = person(rng)
        if someone.handle not in seen:
            seen.add(someone.handle)
            yield someone
