"""The commands by which an operator says for how long logs stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from almoner.access import environments
from almoner.settings import Settings
from tests.changes.writing import opened
from tests.erasure.calling import called
from tests.retention.test_retention import READS


@pytest.mark.slow
async def test_an_operator_sets_holds_looks_and_removes(
    own_dsn: str, settings: Settings, tmp_path: Path
) -> None:
    here = replace(settings, database_url=own_dsn, owner_database_url=own_dsn)
    connection = await opened(own_dsn)
    for name in ("production", "other"):
        await connection.execute(READS, await environments.create(connection, name))
    at = ("--environment", "production")
    assert called(here, "retention", "apply") == {"removed": [], "would_remove": []}
    assert "deliveries" in called(
        here, "retention", "set", "deliveries", "--months", "1", *at, code=2
    )
    called(here, "retention", "set", "audit_reads", "--months", "2", *at)
    called(here, "retention", "hold", "--reason", "Case 12", *at)
    assert called(here, "retention", "apply")["removed"] == []
    listed = [(row["months"], row["hold"]) for row in called(here, "retention", "list")]
    assert (2, "Case 12") in listed
    called(here, "retention", "release", *at)
    would = called(here, "retention", "apply", "--dry-run")["would_remove"]
    removed = called(here, "retention", "apply", "--dump", str(tmp_path))["removed"]
    assert [row["rows"] for row in removed] == [row["rows"] for row in would]
    assert {row["environment"] for row in removed} == {"production"}
    assert called(here, "audit", "verify", *at)["is_intact"]
    events = [event["event"] for event in called(here, "audit", "events", *at)]
    assert events[:3] == ["retention hold ended", "retention hold placed", "retention set"]
    called(here, "retention", "set", "audit_reads", "--for-ever", *at)
    assert {row["months"] for row in called(here, "retention", "list")} == {None}
    await connection.close()
