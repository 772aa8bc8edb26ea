"""Acknowledgements of HL7 v2: MSH, MSA and, for each thing that is wrong, ERR. In the original mode
(v2.5, chapter 2, 2.9.2), or in the enhanced one (2.9.3) where MSH-15 asks for commit
acknowledgements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from almoner.data_api.writes import new_id
from almoner.integrations.hl7_messages import Header
from almoner.integrations.hl7v2_adt import MessageProblem

# Accepted; refused because of what it says; rejected whatever it says, perhaps not for ever.
ACCEPTED: Final = "AA"
REFUSED: Final = "AE"
REJECTED: Final = "AR"
# When a sender wants to hear (table 0155): of what is refused, of what is accepted, never; else
# always.
_CONDITIONS: Final = {"ER": (REFUSED, REJECTED), "SU": (ACCEPTED,), "NE": ()}
_TITLES: Final = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "203": "Unsupported version id",
    "205": "Duplicate key identifier",
    "207": "Application internal error",
}
# A message with more wrong than this is told the first ones.
_MOST_ERRORS: Final = 50


def acknowledge(header: Header, code: str, problems: Sequence[MessageProblem] = ()) -> bytes:
    """The acknowledgement of the message with this header, in its delimiters and character set.
    ``code`` is that of the original mode, which stands for the same of a commit (CA, CE, CR).
    """
    component = header.encoding_characters[0]
    if _commits(header):
        code = f"C{code[1:]}"
    event = f"{component}{header.event}" if header.event else ""
    now = f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
    msh = [
        *("MSH", header.encoding_characters),
        # Who sent it receives this.
        *(header.field(5), header.field(6), header.field(3), header.field(4)),
        *(now, "", f"ACK{event}{component}ACK" if event else "ACK", new_id()[-20:]),
        *(header.field(11) or "P", header.field(12) or "2.5"),
        *("", "", "", "", "", header.field(18)),
    ]
    segments = [msh, ["MSA", code, header.control_id]]
    segments += [_error(component, problem) for problem in problems[:_MOST_ERRORS]]
    lines = [header.separator.join(segment).rstrip(header.separator) for segment in segments]
    return "".join(f"{line}\r" for line in lines).encode(header.charset, "replace")


def asks_for(header: Header, code: str) -> bool:
    """Whether the sender of the message wants this acknowledgement: always in the original mode,
    else as MSH-15 says, or MSH-16 where that asks for no commit.
    """
    if not header.field(15) and not header.field(16):
        return True
    condition = header.field(15) if _commits(header) else header.field(16) or "NE"
    return code in _CONDITIONS.get(condition, (code,))


def is_acceptance(header: Header, acknowledgement: bytes) -> bool:
    """Whether an acknowledgement in the delimiters of this header accepts its message."""
    heads = [header.separator.join(("MSA", code, "")).encode() for code in (ACCEPTED, "CA")]
    return any(head in acknowledgement for head in heads)


def _commits(header: Header) -> bool:
    """Whether the sender wants to know that the message is kept, rather than what came of it."""
    return header.field(15) not in ("", "NE")


def _error(component: str, problem: MessageProblem) -> list[str]:
    at = [problem.segment, str(problem.number)]
    if problem.field:
        at += [str(problem.field)]
    if problem.component:
        # The repetition is not told: of several, one was chosen.
        at += ["", str(problem.component)]
    code = component.join([problem.code, _TITLES[problem.code], "HL70357"])
    return ["ERR", "", component.join(at), code, "E", "", "", "", problem.in_words]
