"""Messages of HL7 v2 (v2.5, chapters 2 and 3): what an ADT message says about its patients, and
what is wrong with it, by segment and field.

Nothing that a message holds is in what is said to be wrong with it: that goes into
acknowledgements and the rows of tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import hl7

from almoner.errors import Problem
from almoner.integrations import hl7_codes
from almoner.integrations.hl7v2_adt import AdtMessage, Identifier, Merge, MessageProblem, Person
from almoner.resources.patients import patients
from almoner.vocabulary.contact_kinds import phone_number
from almoner.vocabulary.kinds import Email

# The codes of table 0357 that say what is wrong.
SEQUENCE: Final = "100"
MISSING: Final = "101"
DATA_TYPE: Final = "102"
MESSAGE_TYPE: Final = "200"
EVENT: Final = "201"
VERSION: Final = "203"
DUPLICATE: Final = "205"
INTERNAL: Final = "207"
MERGE_EVENT: Final = "A40"
EVENTS: Final = ("A01", "A04", "A08", MERGE_EVENT)
_NOT_IN_IT: Final = "the message is not in the character set that it names"
# MSH-18, as table 0211 names character sets. Those of Japan are switched to by escapes (ISO 2022).
_JAPANESE: Final = "iso2022_jp_ext"
_CHARSETS: Final[Mapping[str, str]] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    **dict.fromkeys(("ISO IR14", "ISO IR87", "ISO IR159"), _JAPANESE),
}
# What stands for "delete what you have" (chapter 2, 2.5.3.2).
_DELETED: Final = '""'
_PATIENT_IDS: Final = ("", "MR", "PI", "PT")
_LONGEST_CONTROL_ID: Final = 199
_LONGEST_ESCAPE: Final = 200
# The segments that are read, and how many characters they may be together.
_READ: Final = ("MSH", "PID", "MRG")
_LONGEST_READ: Final = 64 * 1024
_US: Final = ("", "US", "USA")
# Field, component, and whether a record cannot be without it.
_SAYS: Final[Mapping[str, tuple[int, int, bool]]] = {
    "last_name": (5, 1, True),
    "first_name": (5, 2, True),
    "birthday": (7, 1, True),
    "street": (11, 1, False),
    "street_line_two": (11, 2, False),
    "city": (11, 3, False),
    "state": (11, 4, False),
    "zip_code": (11, 5, False),
    "country": (11, 6, False),
    "county": (11, 9, False),
    "gender": (8, 1, False),
    "primary_language": (15, 1, False),
}


class UnreadableError(Exception):
    """Why a message is rejected as a whole: a code of table 0357, the place and the reason.
    ``header`` is what of it could be read.
    """

    def __init__(self, header: Header, problem: MessageProblem) -> None:
        super().__init__(problem.text)
        self.header = header
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an acknowledgement needs of a message: its delimiters, the fields of MSH as they were
    written, and the character set that they are in.
    """

    separator: str = "|"
    encoding_characters: str = "^~\\&"
    fields: tuple[str, ...] = ()
    charset: str = "utf-8"

    def field(self, number: int) -> str:
        """A field of MSH as it was written, by its number (3 and up); blank where there is none."""
        return self.fields[number - 3] if len(self.fields) > number - 3 else ""

    @property
    def control_id(self) -> str:
        return self.field(10)

    @property
    def event(self) -> str:
        """The trigger event, of MSH-9; blank where there is none."""
        parts = self.field(9).split(self.encoding_characters[0])
        return parts[1] if len(parts) > 1 else ""

    @property
    def sender(self) -> str:
        """The sending application and facility, as they were written."""
        return f"{self.field(3)}{self.separator}{self.field(4)}"


def read_header(block: bytes, charset: str = "utf-8") -> Header:
    """The header of a message, which may have been cut off behind it. Raises UnreadableError.

    ``charset``, as Python names it, is what a message is in that does not say so itself.
    """
    # Delimiters and the name of the character set are ASCII in each of them.
    first = re.split(rb"[\r\n]", block.lstrip(b"\r\n"), maxsplit=1)[0].decode("latin-1")
    if not first.startswith("MSH") or len(first) < 8:
        raise UnreadableError(Header(), of_header(0, SEQUENCE, "a message begins with MSH"))
    separator = first[3]
    characters, *rest = first[4:].split(separator)
    if len(characters) not in (4, 5) or len({separator, *characters}) <= len(characters):
        text = "four characters that differ are expected"
        raise UnreadableError(Header(), of_header(2, SEQUENCE, text))
    header = Header(separator=separator, encoding_characters=characters, fields=tuple(rest))
    named = [name for name in header.field(18).split(characters[1:2] or "~") if name.strip()]
    unknown = [name for name in named if name.strip() not in _CHARSETS]
    if unknown:
        raise _unreadable(header, 18, DATA_TYPE, "this character set is not known here")
    sets = {_CHARSETS[name.strip()] for name in named}
    chosen = _JAPANESE if _JAPANESE in sets else _CHARSETS[named[0].strip()] if named else charset
    try:
        decoded = first.encode("latin-1").decode(chosen)
    except UnicodeDecodeError:
        raise _unreadable(header, 18, DATA_TYPE, _NOT_IN_IT) from None
    fields = tuple(decoded[4:].split(separator)[1:])
    return Header(
        separator=separator, encoding_characters=characters, fields=fields, charset=chosen
    )


def of_header(field: int, code: str, text: str) -> MessageProblem:
    """What is wrong at a field of MSH, or with the message as a whole where it is 0."""
    return MessageProblem(segment="MSH", number=1, field=field, code=code, text=text)


def check_header(header: Header) -> None:
    """Raises UnreadableError where this is no message that is taken here."""
    code, _, _ = header.field(9).partition(header.encoding_characters[:1])
    if code != "ADT":
        raise _unreadable(header, 9, MESSAGE_TYPE, "only ADT messages are taken here")
    if header.event not in EVENTS:
        raise _unreadable(header, 9, EVENT, f"the events taken here are {', '.join(EVENTS)}")
    if not 0 < len(header.control_id) <= _LONGEST_CONTROL_ID:
        raise _unreadable(header, 10, MISSING, "the message control id is missing, or too long")
    if not header.field(12).startswith("2."):
        raise _unreadable(header, 12, VERSION, "version 2 of HL7 is read here, 2.1 to 2.9")


def _unreadable(header: Header, field: int, code: str, text: str) -> UnreadableError:
    return UnreadableError(header, of_header(field, code, text))


def read(block: bytes, header: Header, namespaces: Mapping[str, str]) -> AdtMessage:
    """What the message says. Its problems are in it; raises UnreadableError where it cannot be
    read at all.

    ``namespaces`` has the namespace of each assigning authority whose ids count; where it is empty,
    all count, each under the authority's own name.
    """
    try:
        text = block.decode(header.charset)
    except UnicodeDecodeError:
        raise _unreadable(header, 18, DATA_TYPE, _NOT_IN_IT) from None
    lines = [line for line in re.split(r"[\r\n]+", text) if line[:3] in _READ]
    if sum(map(len, lines)) > _LONGEST_READ:
        raise _unreadable(header, 0, DATA_TYPE, "MSH, PID and MRG are longer than 64 KiB")
    message = hl7.parse("\r".join(lines))
    reader = _Reader(header, namespaces)
    people = list(reader.people(list(message)))
    return AdtMessage(
        event=header.event,
        control_id=header.control_id,
        people=people,
        problems=reader.problems,
    )


class _Reader:
    """Reads the segments of one message, and notes every problem."""

    def __init__(self, header: Header, namespaces: Mapping[str, str]) -> None:
        self._header = header
        self._namespaces = namespaces
        self.problems: list[MessageProblem] = []

    def people(self, segments: list[Any]) -> Iterator[Merge]:
        """Each patient with the ids that become theirs; only an A40 tells of several."""
        is_merge = self._header.event == MERGE_EVENT
        named = [(str(segment[0]), segment) for segment in segments]
        pids = [place for place, (name, _) in enumerate(named) if name == "PID"]
        if not pids or (len(pids) > 1 and not is_merge):
            self._wrong("PID", 1, 0, SEQUENCE, "one PID segment is expected")
            return
        for number, place in enumerate(pids, 1):
            end = pids[number] if number < len(pids) else len(named)
            merged = [segment for name, segment in named[place:end] if name == "MRG"]
            person = self._person(number, named[place][1], is_merge)
            prior = self._ids("MRG", number, merged[0], 1) if merged and is_merge else []
            if is_merge and not merged:
                self._wrong("MRG", number, 0, SEQUENCE, "a MRG segment is expected behind PID")
            yield Merge(person=person, prior=prior)

    def _person(self, number: int, pid: Any, is_merge: bool) -> Person:
        name = self._chosen(pid, 5, 7, ("L", "D", ""))
        address = self._chosen(pid, 11, 7, ("H", "P", "L", ""))
        parts = {5: name, 11: address}
        parts |= {place: self._chosen(pid, place, 0, ()) for place in (7, 8, 15)}
        foreign = _part(address, 6).upper() not in _US
        fields: dict[str, str | None] = {}
        for field, (place, component, needed) in _SAYS.items():
            if foreign and field in ("state", "zip_code"):
                continue
            value = self._value(field, parts[place], component)
            at = (number, place, component, needed and not is_merge)
            self._say(fields, field, value, *at)
        phones, emails = self._contacts(pid)
        return Person(
            ids=self._ids("PID", number, pid, 3), fields=fields, phones=phones, emails=emails
        )

    def _value(self, field: str, repetition: Any, component: int) -> str:
        """What a component says, a code in the word that stands for it here; blank where it says
        nothing that a field may hold.
        """
        value = self._text(_part(repetition, component))
        if value == _DELETED or field not in ("gender", "primary_language"):
            return value
        if field == "gender":
            return hl7_codes.SEXES.get(value.upper(), "")
        # The sender's code and name of it, and those of another code system beside.
        return hl7_codes.language(*(self._text(_part(repetition, at)) for at in (1, 2, 4, 5)))

    def _say(
        self,
        fields: dict[str, str | None],
        field: str,
        value: str,
        number: int,
        place: int,
        component: int,
        needed: bool,
    ) -> None:
        """Puts what a component says of a field, if it says something."""
        if value == _DELETED and not _SAYS[field][2]:
            fields[field] = None
            return
        if value in ("", _DELETED):
            if needed or value:
                what = "this cannot be left out" if needed else "this cannot be deleted"
                self._wrong("PID", number, place, MISSING, what, component=component)
            return
        if field == "birthday":
            value = re.sub(r"^(\d{4})(\d\d)(\d\d).*$", r"\1-\2-\3", value, flags=re.ASCII)
        kind, problems = patients.field(field).kind, list[Problem]()
        kind.decode(value, "", problems)
        if problems:
            hint = "a whole day such as 19180915 is expected" if place == 7 else kind.hint
            self._wrong("PID", number, place, DATA_TYPE, hint, component=component)
        fields[field] = value

    def _ids(self, name: str, number: int, segment: Any, place: int) -> list[Identifier]:
        """The patient's ids that count, one of each namespace."""
        ids: dict[str, str] = {}
        for repetition in _repetitions(segment, place):
            value = self._text(_part(repetition, 1))
            authority = _subcomponents(repetition, 4, self._header)
            names = [self._text(part) for part in authority[:2] if part]
            if value in ("", _DELETED) or _part(repetition, 5) not in _PATIENT_IDS:
                continue
            if self._namespaces:
                names = [self._namespaces[name] for name in names if name in self._namespaces]
            if names:
                ids.setdefault(names[0], value)
        if not ids:
            text = "an id with an assigning authority that is known here is expected"
            self._wrong(name, number, place, MISSING, text)
        return [Identifier(namespace=namespace, id=value) for namespace, value in ids.items()]

    def _contacts(self, pid: Any) -> tuple[list[str], list[str]]:
        """Numbers and addresses that can be kept here; others are passed over."""
        phones, emails = [], []
        for place in (13, 14):
            for repetition in _repetitions(pid, place):
                first, split = _part(repetition, 1), _part(repetition, 6) + _part(repetition, 7)
                for text in (first, _part(repetition, 12), split):
                    number = phone_number(self._text(text))
                    if number and number not in phones:
                        phones.append(number)
                email = self._text(_part(repetition, 4))
                problems: list[Problem] = []
                if "@" in email and Email().decode(email, "", problems) and email not in emails:
                    emails.append(email)
        return phones, emails

    def _chosen(self, segment: Any, place: int, kind: int, kinds: tuple[str, ...]) -> Any:
        """The first repetition of the first kind that is wanted and there; else the first one."""
        repetitions = _repetitions(segment, place)
        for preferred in kinds:
            for repetition in repetitions:
                if _part(repetition, kind) == preferred:
                    return repetition
        return repetitions[0] if repetitions else None

    def _text(self, raw: str) -> str:
        return raw if raw == _DELETED else unescaped(raw, self._header).strip()

    def _wrong(
        self, segment: str, number: int, field: int, code: str, text: str, component: int = 0
    ) -> None:
        self.problems.append(
            MessageProblem(
                segment=segment,
                number=number,
                field=field,
                component=component,
                code=code,
                text=text,
            )
        )


def unescaped(text: str, header: Header) -> str:
    """The text with its escapes resolved (chapter 2, 2.7); what only says how it is drawn is left
    out.
    """
    component, repetition, escape, subcomponent = tuple(header.encoding_characters[:4])
    known = {
        "F": header.separator,
        "S": component,
        "R": repetition,
        "E": escape,
        "T": subcomponent,
        ".br": "\n",
    }

    def resolved(match: re.Match[str]) -> str:
        return known.get(match[1]) or _bytes(match[1], header.charset)

    edge = re.escape(escape)
    return re.sub(f"{edge}([^{edge}]{{1,{_LONGEST_ESCAPE}}}){edge}", resolved, text)


def _bytes(sequence: str, charset: str) -> str:
    """Characters that a sender wrote as the hexadecimal digits of their bytes."""
    if not sequence.startswith("X"):
        return ""
    try:
        return bytes.fromhex(sequence[1:]).decode(charset)
    except ValueError:
        return ""


def _repetitions(segment: Any, place: int) -> list[Any]:
    return [part for part in segment[place] if str(part)] if len(segment) > place else []


def _part(repetition: Any, component: int) -> str:
    """A component's first subcomponent, as it was written; blank where there is none. The library
    gives a plain text where nothing was parted.
    """
    if repetition is None:
        return ""
    if isinstance(repetition, str):
        return repetition if component <= 1 else ""
    at = max(component - 1, 0)
    if at >= len(repetition):
        return ""
    part = repetition[at]
    return str(part[0]) if not isinstance(part, str) and len(part) else str(part)


def _subcomponents(repetition: Any, component: int, header: Header) -> list[str]:
    if isinstance(repetition, str) or component > len(repetition):
        return []
    return str(repetition[component - 1]).split(header.encoding_characters[3:4] or "&")
