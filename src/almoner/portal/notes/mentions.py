"""Whom a note mentions: ``@Emily``, or ``@Emily Smith`` where two are called so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from almoner.portal.patient import Patient
from almoner.portal.workers import Worker
from almoner.vocabulary.definitions import Program

# At the beginning of a word: not within an e-mail address.
_AT: Final = re.compile(r"(?<![\w@.])@(\w[\w'-]*(?: +\w[\w'-]*){0,3})")

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
    for match in _AT.finditer(text):
        meant = _meant(match[1], workers)
        name = match[1].split()[0]
        if not meant:
            refused.append(f"Nobody here is called @{name}. Leave the @ out, or mend the name.")
        elif len(meant) > 1:
            names = " or ".join(f"@{worker.name}" for worker in meant)
            refused.append(f"There are several of @{name}: write {names}.")
        elif not _may_read(meant[0], program, patient, note_type):
            refused.append(f"The roles of {meant[0].name} do not show this note.")
        else:
            named[meant[0].id] = meant[0]
    return Mentions(list(named.values()), list(dict.fromkeys(refused)))


def suggested(
    begun: str, workers: Iterable[Worker], program: Program, patient: Patient, note_type: str
) -> list[str]:
    """The names that may be meant by what was begun, of those who may read the note: first those
    whose given name it begins, then those with another name that begins so.
    """
    words = " ".join(begun.casefold().split())
    names = [worker.name for worker in workers if _may_read(worker, program, patient, note_type)]
    first = [name for name in names if name.casefold().startswith(words)]
    later = [name for name in names if f" {words}" in name.casefold() and name not in first]
    return [*first, *later][:_MOST]


def _meant(words: str, workers: Iterable[Worker]) -> list[Worker]:
    """Those whose whole name the words begin with; else those whose first name is the first."""
    folded = words.casefold()
    whole = [worker for worker in workers if _begins(folded, worker.name.casefold())]
    if whole:
        longest = max(len(worker.name) for worker in whole)
        return [worker for worker in whole if len(worker.name) == longest]
    first = folded.split()[0]
    return [worker for worker in workers if first == next(_parts(worker.name), "")]


def _begins(words: str, name: str) -> bool:
    return f"{' '.join(words.split())} ".startswith(f"{name} ")


def _parts(name: str) -> Iterator[str]:
    yield from name.casefold().split()


def _may_read(worker: Worker, program: Program, patient: Patient, note_type: str) -> bool:
    rights = program.rights(worker.roles)
    return (
        "give_care" in rights.may
        and (rights.all_patients or patient.coach_id == worker.id)
        and note_type not in rights.hidden_notes
    )
