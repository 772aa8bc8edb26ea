"""Who may be the same person, beside what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from almoner.data_api.declare import Row
from almoner.database import Connection
from almoner.pages.visit import Visit
from almoner.patient_merges.duplicates import Likely
from almoner.patient_merges.sql import ROW
from almoner.portal.value_words import Zones
from almoner.portal.values import Speaking, compare_rows, names_of, people
from almoner.vocabulary.fields import Field


async def beside(
    visit: Visit,
    connection: Connection,
    candidates: Sequence[Likely],
    values: Row,
    fields: Sequence[Field],
) -> tuple[Likely, ...]:
    """Those whom the visitor's role shows, each with their record beside the values of a Create, in
    these fields.
    """
    compared_to = []
    for candidate in candidates:
        if candidate.is_visible:
            row = msgspec.json.decode(
                await connection.fetchval(ROW, visit.environment_id, candidate.id)
            )
            names = await names_of(connection, visit.environment_id, people(fields, values, row))
            words = Speaking(
                visit.program,
                Zones(visit.worker.timezone, visit.worker.timezone),
                names,
                candidate.id,
            )
            compared_to.append(
                replace(candidate, values=tuple(compare_rows(fields, values, row, words)))
            )
    return tuple(compared_to)
