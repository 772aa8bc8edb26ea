"""What a patient says of the consents of their rows, as the portal reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.resources._consent_answers import answer_sql
from almoner.resources._consents import consents_of
from almoner.vocabulary.consent_words import Answer


async def answers(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    resource: Resource,
    row_ids: Sequence[str],
) -> Mapping[tuple[str, str], Answer]:
    """The answers of a patient's rows of a collection, by row and consent."""
    names = tuple(consents_of(resource))
    if not row_ids or not names:
        return {}
    columns = ", ".join(f"{answer_sql('n', '$2', name)} AS {name}" for name in names)
    rows = await connection.fetch(
        f"SELECT n.id::text, {columns} FROM {resource.name} n WHERE n.environment_id = $1"
        f" AND n.{resource.patient} = $2 AND n.id = ANY ($3::uuid[])",
        environment_id,
        patient_id,
        row_ids,
    )
    return {(row["id"], name): row[name] for row in rows for name in names}
