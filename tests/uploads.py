"""A file of patients that is uploaded in Admin, Import."""

from __future__ import annotations

from collections.abc import Sequence

from almoner.access.secrets import SecretBox
from almoner.database import Connection
from almoner.imports import rows, sources
from almoner.resources import BY_NAME


async def upload_patients(
    connection: Connection,
    box: SecretBox,
    environment: int,
    worker_id: str,
    lines: Sequence[str],
) -> str:
    """The id of the import of these lines of CSV, of which the first is the header."""
    uploaded = sources.read(
        "\n".join(lines).encode(),
        "people.csv",
        BY_NAME["patients"],
        namespace="ehr",
        timezone="UTC",
        most=len(lines),
    )
    return await rows.add(
        connection,
        box,
        environment,
        worker_id=worker_id,
        collection="patients",
        kind=".csv",
        parts=uploaded.parts,
        columns=uploaded.columns,
    )
