"""Whom a note mentions: ``@Emily``, or ``@Emily Smith`` where two are called so."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from almoner.portal.patient import Patient
from almoner.portal.workers import Worker
from almoner.vocabulary.definitions import Program

# At the beginning of a word: not within an e-mail address.
_AT: Final = re.compile(r"(?<![\w@.])@(?=\w)")
# What was meant by it, where it means nobody: for people to find it in their text.
_WORD: Final = re.compile(r"[^\s,;:!?()\[\]{}\"“”、。]+")
_LONGEST: Final = 200
# No space stands between the words of these, so that a name may end anywhere.
_WITHOUT_SPACES: Final = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI")
_APOSTROPHES: Final = str.maketrans("’ʼ＇", "'''")
# So many names are suggested at once.
_MOST: Final = 8


@dataclass(frozen=True)
class Mentions:
    """Who is mentioned, and why some names mean nobody: a sentence each."""

    workers: Sequence[Worker]
    refused: Sequence[str]


def mentions(
    text: str, workers: Sequence[Worker], program: Program, patient: Patient, note_type: str
) -> Mentions:
    """Whom the text mentions, each once. Who may not read the note is refused."""
    named: dict[str, Worker] = {}
    refused: list[str] = []
    labels = _labels(workers)
    for match in _AT.finditer(text):
        behind = text[match.end() : match.end() + _LONGEST]
        meant = _meant(_folded(behind), workers, labels)
        if not meant:
            word = _WORD.match(behind)
            name = word[0].rstrip(".") if word else ""
            refused.append(f"Nobody here is called @{name}. Leave the @ out, or mend the name.")
        elif len(meant) > 1:
            names = " or ".join(f"@{labels[worker.id]}" for worker in meant)
            refused.append(f"There are several whom this may mean: write {names}.")
        elif not _may_read(meant[0], program, patient, note_type):
            refused.append(f"The roles of {meant[0].name} do not show this note.")
        else:
            named[meant[0].id] = meant[0]
    return Mentions(list(named.values()), list(dict.fromkeys(refused)))


def suggested(
    begun: str, workers: Sequence[Worker], program: Program, patient: Patient, note_type: str
) -> list[str]:
    """The names that may be meant by what was begun, of those who may read the note: first those
    whose given name it begins, then those with another name that begins so.
    """
    labels = _labels(workers)
    words = _folded(begun)
    names = [
        labels[worker.id] for worker in workers if _may_read(worker, program, patient, note_type)
    ]
    first = [name for name in names if _folded(name).startswith(words)]
    later = [name for name in names if f" {words}" in _folded(name) and name not in first]
    return [*first, *later][:_MOST]


def _labels(workers: Iterable[Worker]) -> dict[str, str]:
    """What each is called by here: with the e-mail address where two have the same name."""
    listed = list(workers)
    counts = Counter(_folded(worker.name) for worker in listed)
    return {
        worker.id: f"{worker.name} ({worker.email})"
        if worker.email and counts[_folded(worker.name)] > 1
        else worker.name
        for worker in listed
    }


def _meant(text: str, workers: Sequence[Worker], labels: Mapping[str, str]) -> list[Worker]:
    """Those whose whole name the text goes on with, the longest; else those whose first name, and
    else those one of whose other names.
    """
    parts = [(worker, _folded(worker.name).split()) for worker in workers]
    return (
        _longest(text, ((worker, _folded(labels[worker.id])) for worker in workers))
        or _longest(text, ((worker, _folded(worker.name)) for worker in workers))
        or _longest(text, ((worker, words[0]) for worker, words in parts if words))
        or _longest(text, ((worker, word) for worker, words in parts for word in words[1:]))
    )


def _longest(text: str, names: Iterable[tuple[Worker, str]]) -> list[Worker]:
    """Those whose name the text begins with, of the longest such name."""
    begun = [(worker, name) for worker, name in names if _begins(text, name)]
    longest = max((len(name) for _, name in begun), default=0)
    return [worker for worker, name in begun if len(name) == longest]


def _begins(text: str, name: str) -> bool:
    """Whether the text begins with this name, and the name ends there: before no other letter, but
    for that of a genitive.
    """
    if not name or not text.startswith(name):
        return False
    if unicodedata.name(name[-1], "").startswith(_WITHOUT_SPACES):
        return True
    rest = text[len(name) :]
    if rest[:1] in ("'", "-", "."):
        rest = rest[2:] if rest.startswith("'s") else rest[1:]
    return unicodedata.category(rest[0])[0] not in "LMN" if rest else True


def _folded(text: str) -> str:
    """As two who write the same name alike may still differ: case, composed letters, the apostrophe
    and spaces.
    """
    composed = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    return " ".join(composed.casefold().split())


def _may_read(worker: Worker, program: Program, patient: Patient, note_type: str) -> bool:
    return (
        worker.sees(program, patient.coach_id)
        and note_type not in program.rights(worker.roles).hidden_notes
    )
