"""Half-filled assessments: what one worker has typed so far for one patient, exactly as it was
typed.

Two tabs of one person may fill in one draft. A save says which answers of the draft its tab has
read; where the other tab has answered the same one differently meanwhile, both texts are kept,
until somebody chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.portal.patient_access import OF_WORKER, only_of

# What was typed for each question by its name, each text of several choices; blank where it was
# emptied.
Texts = Mapping[str, list[str]]
# Under this name, which no question has, a draft keeps what conflicts with its answers.
_CONFLICTS: Final = ""
# Which text of a conflict holds.
DRAFT, OTHER = "draft", "other"

_FIND: Final = """
SELECT spec_id, version, answers, saved_at FROM assessment_drafts
WHERE environment_id = $1 AND patient_id = $2 AND spec_id = $3 AND worker_id = $4
"""
_LISTED: Final = """
SELECT d.spec_id, d.version, d.saved_at, e.definition FROM assessment_drafts d
JOIN program_elements e ON e.environment_id = $1 AND e.kind = 'assessment' AND e.name = d.spec_id
    AND e.version = d.version
WHERE d.environment_id = $1 AND d.patient_id = $2 AND d.worker_id = $3
    AND d.spec_id <> ALL($4::text[])
ORDER BY d.saved_at DESC
"""
# Only of patients whom one may see.
_BEGIN: Final = f"""
INSERT INTO assessment_drafts (environment_id, patient_id, spec_id, worker_id, version, answers,
    saved_at)
SELECT $1, p.id, $4, $5, $6, '{{}}', clock_timestamp() FROM patients p WHERE p.environment_id = $1
    AND {OF_WORKER} AND p.id = $3
ON CONFLICT DO NOTHING
"""
_HOLD: Final = f"""
SELECT d.answers FROM assessment_drafts d JOIN patients p ON p.environment_id = $1
    AND p.id = d.patient_id AND {OF_WORKER}
WHERE d.environment_id = $1 AND d.patient_id = $3 AND d.spec_id = $4
    AND d.worker_id = $5 FOR UPDATE OF d
"""
_KEEP: Final = """
UPDATE assessment_drafts SET version = $5, answers = $6::json, saved_at = clock_timestamp()
WHERE environment_id = $1 AND patient_id = $2 AND spec_id = $3 AND worker_id = $4
RETURNING spec_id, version, answers, saved_at
"""
_DROP: Final = """
DELETE FROM assessment_drafts WHERE environment_id = $1 AND patient_id = $2 AND spec_id = $3
    AND worker_id = $4 RETURNING true
"""


@dataclass(frozen=True, kw_only=True)
class AnswerDraft:
    """What a worker has typed, for which version of the spec, and when it was last kept: None where
    nothing is, as nobody has answered anything yet.

    ``conflicts`` has what was typed in another tab for questions that ``texts`` answers otherwise.
    """

    spec_id: str
    version: int
    texts: Texts
    saved_at: datetime | None
    conflicts: Texts


@dataclass(frozen=True)
class TabInput:
    """What one tab sends. ``bases``: for each question the answers of the draft that the tab has
    read, or has sent itself.

    ``side`` settles the conflict of a ``question``: its text in the ``draft`` holds, or the
    ``other`` one; both blank where none is settled."""

    texts: Texts
    bases: Mapping[str, list[list[str]]]
    side: str = ""
    question: str = ""


@dataclass(frozen=True)
class SavedDraft:
    """The draft as it is kept now. ``mine`` has the texts of this tab that conflict with it.

    ``others`` names the questions whose text the tab does not have yet: it was typed in another
    one, or just chosen."""

    draft: AnswerDraft
    mine: Texts
    others: frozenset[str]


async def find(
    visit: Visit, connection: Connection, patient_id: str, spec_id: str
) -> AnswerDraft | None:
    """The visitor's draft of this spec for this patient; None where there is none."""
    row = await connection.fetchrow(
        _FIND, visit.environment_id, patient_id, spec_id, visit.worker.worker_id
    )
    return None if row is None else _draft(row)


async def list_drafts(
    visit: Visit, connection: Connection, patient_id: str
) -> list[Mapping[str, Any]]:
    """The visitor's drafts for this patient, the last first, each with the definition of the spec
    in its version.
    """
    hidden = list(visit.rights.hidden_assessments)
    rows: list[Mapping[str, Any]] = await connection.fetch(
        _LISTED, visit.environment_id, patient_id, visit.worker.worker_id, hidden
    )
    return rows


async def save(
    visit: Visit,
    connection: Connection,
    patient_id: str,
    spec_id: str,
    version: int,
    entered: TabInput,
    begun: bool,
) -> SavedDraft | None:
    """Keeps what was typed; questions that it does not name keep what they had. ``connection`` is
    in a transaction.

    ``begun``: there was a draft before. A draft begins with the first answer. None where it has
    been finished or dropped meanwhile, and where the visitor may not see the patient."""
    only, me = only_of(visit), visit.worker.worker_id
    is_answered = any(_answered(texts) for texts in entered.texts.values())
    if not begun and is_answered:
        await connection.execute(
            _BEGIN, visit.environment_id, only, patient_id, spec_id, me, version
        )
    stored = await connection.fetchval(_HOLD, visit.environment_id, only, patient_id, spec_id, me)
    if stored is None:
        blank = AnswerDraft(
            spec_id=spec_id, version=version, texts=entered.texts, saved_at=None, conflicts={}
        )
        return None if begun or is_answered else SavedDraft(blank, {}, frozenset())
    texts, conflicts = _opened(stored)
    mine, others = merge(texts, conflicts, entered)
    answers = msgspec.json.encode(texts | {_CONFLICTS: conflicts} if conflicts else texts).decode()
    row = await connection.fetchrow(
        _KEEP, visit.environment_id, patient_id, spec_id, me, version, answers
    )
    return None if row is None else SavedDraft(_draft(row), mine, others)


def merge(
    texts: dict[str, list[str]], conflicts: dict[str, list[str]], entered: TabInput
) -> tuple[Texts, frozenset[str]]:
    """Puts what was typed into a draft; returns what of it conflicts, and what the tab did not have
    yet.
    """
    mine, others = {}, set()
    for name, answer in entered.texts.items():
        theirs = _answered(texts.get(name, []))
        bases = [_answered(base) for base in entered.bases.get(name, [[]])]
        if _answered(answer) == theirs or theirs in bases:
            texts[name] = answer
        elif _answered(answer) in bases:
            others.add(name)
        else:
            mine[name] = conflicts[name] = answer
    if entered.question in conflicts:
        other = conflicts.pop(entered.question)
        if entered.side == OTHER:
            texts[entered.question] = other
        mine.pop(entered.question, None)
        others.add(entered.question)
    return mine, frozenset(others)


def _answered(texts: list[str]) -> list[str]:
    """The texts of an answer; none where it is blank."""
    return texts if any(text.strip() for text in texts) else []


async def drop(visit: Visit, connection: Connection, patient_id: str, spec_id: str) -> bool:
    """Removes the draft. Returns whether there was one."""
    return bool(
        await connection.fetchval(
            _DROP, visit.environment_id, patient_id, spec_id, visit.worker.worker_id
        )
    )


def _draft(row: Mapping[str, Any]) -> AnswerDraft:
    texts, conflicts = _opened(row["answers"])
    return AnswerDraft(
        spec_id=row["spec_id"],
        version=row["version"],
        texts=texts,
        saved_at=row["saved_at"],
        conflicts=conflicts,
    )


def _opened(answers: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    texts: dict[str, Any] = msgspec.json.decode(answers)
    return texts, texts.pop(_CONFLICTS, {})
