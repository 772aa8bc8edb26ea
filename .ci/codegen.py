"""Checks, for .ci/codegen, of what generators of others made of our OpenAPI document.

``document FOLDER`` writes the document of each shape; ``models`` and ``postman`` look at what a
generator made of it, and ``typescript`` has it read patients from a running server."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

URL = "https://care.example.org"
SHAPES = ("documented", "enveloped")


def write_documents(folder: Path) -> None:
    from almoner.app import additions
    from almoner.data_api.describe import openapi
    from almoner.resources import RESOURCES
    from almoner.settings import Settings

    for shape in SHAPES:
        enveloped = shape == "enveloped"
        more = additions(Settings(public_url=URL), enveloped)
        document = openapi(RESOURCES, URL, enveloped=enveloped, additions=more)
        (folder / f"{shape}.json").write_text(json.dumps(document), encoding="utf-8")


def check_models(folder: Path, shape: str, package: str, read: str) -> None:
    """The examples of a patient and of the feed are read by the classes that were made of their
    schemas.
    """
    sys.path.insert(0, str(folder))
    generated = importlib.import_module(package)
    paths = json.loads((folder / f"{shape}.json").read_text(encoding="utf-8"))["paths"]
    patient, changes = (
        paths[path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
        for path in ("/v1/patients/{id}", "/v1/changes")
    )
    patient = patient["data"] if shape == "enveloped" else patient
    assert getattr(generated.Patient, read)(patient).first_name == patient["first_name"]
    assert len(getattr(generated.Changes, read)(changes).data) == len(changes["data"])


def requests(items: list[Any]) -> Iterator[Any]:
    for item in items:
        yield from requests(item["item"]) if "item" in item else [item["request"]]


def check_postman(folder: Path, shape: str) -> None:
    """Each request of the collection is filled in with examples, none with a word in angle
    brackets.
    """
    collection = json.loads((folder / f"{shape}.postman.json").read_text(encoding="utf-8"))
    asked = list(requests(collection["item"]))
    filled = [
        value
        for request in asked
        for value in (
            *request["url"].get("query", []),
            *request["url"].get("variable", []),
            *request.get("header", []),
        )
    ]
    assert len(asked) > 61
    assert filled
    assert not [
        parameter for parameter in filled if str(parameter.get("value", "")).startswith("<")
    ]


async def token_of_a_client(dsn: str, home: Path, shape: str) -> str:
    """A token of a client of this shape, in an environment of the demo's program in a new
    database.
    """
    import asyncpg

    from almoner import schema
    from almoner.access import clients, environments, keys
    from almoner.access.key_file import KeySource
    from almoner.resources import RESOURCES
    from almoner.schema import migrate
    from almoner.workshop import kiwi_health
    from almoner.workshop.publish import publish

    await migrate.migrate(dsn, schema.build(RESOURCES))
    connection = await asyncpg.connect(dsn)
    try:
        environment = await environments.create(connection, "typescript")
        await publish(connection, environment, kiwi_health.source(), "codegen")
        box = await keys.box(connection, KeySource("", home))
        client = await clients.create(connection, box, environment, "typescript", "all", shape)
        return await clients.long_lived_token(connection, client.client_id, 1)
    finally:
        await connection.close()


def check_typescript(folder: Path, shape: str) -> None:
    """The program that was made in ``folder`` does what it should with a server of ours."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from almoner import embedded
    from almoner.settings import Settings
    from tests.conftest import ServerThread, free_port

    home = folder / f"home_{shape}"
    home.mkdir()
    with embedded.EmbeddedServer(folder / f"postgres_{shape}") as postgres:
        dsn = asyncio.run(embedded.create_database(postgres, "codegen"))
        token = asyncio.run(token_of_a_client(dsn, home, shape))
        with ServerThread(Settings(home=home, port=free_port(), database_url=dsn)) as server:
            known = {"ALMONER_URL": server.url, "ALMONER_TOKEN": token}
            script = folder / f"{shape}_js" / "main.js"
            subprocess.run(["node", str(script)], env=os.environ | known, check=True, timeout=60)


def main() -> None:
    what, folder, *more = sys.argv[1:]
    if what == "document":
        write_documents(Path(folder))
    elif what == "models":
        check_models(Path(folder), *more)
    elif what == "typescript":
        check_typescript(Path(folder), *more)
    else:
        check_postman(Path(folder), *more)


if __name__ == "__main__":
    main()
