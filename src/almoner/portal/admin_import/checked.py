"""What an import shows beyond its columns: what is wrong, who may be here, what came of it."""

from __future__ import annotations

from typing import Final

from almoner.data_api import decode
from almoner.data_api.declare import Verb
from almoner.database import Connection
from almoner.imports import checking, results, rows
from almoner.imports.checking import Prepared
from almoner.imports.rows import ImportRow, LikelyDuplicate, RowProblem
from almoner.imports.sources import IMPORTED, targets
from almoner.pages.visit import Visit
from almoner.patient_merges.duplicates import likely
from almoner.portal.admin_import import view
from almoner.portal.admin_import.view import DuplicateRow, StatePage
from almoner.portal.patients.duplicates import beside
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.names import full_name
from almoner_files import mapping
from almoner_files.delimited import SourceRow

_PROBLEMS: Final = 200
_DUPLICATES: Final = 50
_WRITTEN: Final = 50


async def state_page(visit: Visit, row: ImportRow) -> StatePage:
    """What a page says of an import that is past its columns."""
    problems: list[RowProblem] = []
    duplicates_known: list[LikelyDuplicate] = []
    sources: dict[int, SourceRow] = {}
    async with visit.connection() as connection:
        key = (connection, visit.environment_id, row.id)
        for place in await rows.places(*key) if not row.is_under_way else ():
            part = await rows.part(connection, visit.parts.box, visit.environment_id, row.id, place)
            if part is None or part.checked is None:
                continue
            problems += part.checked.problems
            duplicates_known += part.checked.duplicates
            lines = {each.line for each in part.checked.duplicates}
            sources |= {each.line: each for each in part.rows if each.line in lines}
        written = await results.results(*key, outcomes=("created", "updated"), most=_WRITTEN)
        left = await results.results(*key, outcomes=("left",), most=_PROBLEMS)
        compared = duplicates_known[:_DUPLICATES] if row.state == rows.CHECKED else []
        prepared: list[Prepared] = []
        if compared and row.columns is not None:
            prepared = await checking.prepare(
                connection,
                visit.environment_id,
                IMPORTED[row.collection],
                mapping.of_values(row.columns),
                [sources[each.line] for each in compared],
            )
        known = {each.line: each for each in compared}
        duplicates = [
            _in_file(row, each, known[each.source.line])
            if known[each.source.line].earlier
            else await _duplicate(visit, connection, row, each)
            for each in prepared
        ]
    return StatePage(
        row=row,
        title=IMPORTED[row.collection].title,
        state=view.STATES[row.state],
        counts=view.counted(row),
        problems=problems[:_PROBLEMS],
        more=max(len(problems) - _PROBLEMS, 0),
        duplicates=[each for each in duplicates if each is not None],
        all_duplicates=len(duplicates_known),
        written=[
            (_address(row.collection, each.row_id or ""), f"Line {each.line}: {each.outcome}")
            for each in written
        ],
        left=left,
        may_be_undone=view.may_be_undone(row),
        has_bad_rows=bool(problems),
        writes=row.rows - row.counts.get("refused", 0),
    )


async def _duplicate(
    visit: Visit, connection: Connection, row: ImportRow, each: Prepared
) -> DuplicateRow | None:
    """A row beside the likeliest of those who may be the same person; None where nobody may any
    more.
    """
    patients = IMPORTED["patients"]
    values = decode.values(patients, dict(each.body), Verb.CREATE, Shape.STORED, [], whole=True)
    candidates = await likely(connection, visit.environment_id, None, values)
    fields = [field for field in targets(patients) if field.stored]
    near = await beside(visit, connection, candidates[:1], each.body, fields)
    if not near:
        return None
    line = each.source.line
    return DuplicateRow(
        line=line,
        name=_name(each),
        likely=near[0],
        earlier=0,
        why=near[0].why,
        choices=view.CHOICES,
        choice=checking.choice_of(row.choices, line),
    )


def _in_file(row: ImportRow, each: Prepared, duplicate: LikelyDuplicate) -> DuplicateRow:
    """A row beside an earlier one that is likely of the same person."""
    return DuplicateRow(
        line=duplicate.line,
        name=_name(each),
        likely=None,
        earlier=duplicate.earlier,
        why=duplicate.why,
        choices=view.CHOICES_IN_FILE,
        choice=checking.choice_of(row.choices, duplicate.line),
    )


def _name(each: Prepared) -> str:
    return full_name(str(each.body.get("first_name", "")), str(each.body.get("last_name", "")))


def _address(collection: str, row_id: str) -> str:
    places = {"patients": f"/patients/{row_id}", "workers": f"/admin/workers/{row_id}"}
    return places.get(collection, "")
