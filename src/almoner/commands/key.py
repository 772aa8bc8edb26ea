"""``almoner key``: the key that secrets are sealed with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from almoner.access import keys
from almoner.access.secrets import key_id
from almoner.commands.answering import Answer, acting, listing
from almoner.commands.session import called, connect

app = typer.Typer(
    help="The key that the secrets in the database are sealed with (ALMONER_SECRET_KEY).",
    no_args_is_help=True,
)


@app.command("list")
@listing(("id", "in_use", "at_hand", "secrets"), "No keys yet.")
async def list_keys() -> list[dict[str, Any]]:
    """List the keys by their ids: whether this set-up has them, and how many secrets are sealed
    with each. No key is shown.

    Example: almoner key list
    """
    async with connect() as (database, settings), database.connection() as connection:
        current = await keys.box(connection, settings.key_source)
        counts: dict[str, int] = {}
        for (_, named), count in (await keys.usage(connection)).items():
            name = named or "before ids"
            counts[name] = counts.get(name, 0) + count
    at_hand = [key_id(key) for key in settings.key_source.read()]
    return [
        {
            "id": name,
            "in_use": name == current.key_id,
            "at_hand": name in at_hand,
            "secrets": counts.get(name, 0),
        }
        for name in dict.fromkeys([*at_hand, *counts])
    ]


@app.command()
@acting()
async def rotate(
    lost: Annotated[
        bool,
        typer.Option(
            "--lost",
            help=(
                "The key in use is gone: go on with a new one. What the old one sealed stays"
                " closed."
            ),
        ),
    ] = False,
) -> Answer:
    """Seal every secret with a new key, in one transaction. The old key still opens what is sealed
    with it meanwhile.

    With a key file the new key is made and put into it, and running processes find it there. With
    ALMONER_SECRET_KEY put it there yourself first, before the old one, and start every process
    again. `almoner key retire` ends it. Safe to repeat after a failure.

    Example: almoner key rotate
    """
    async with connect() as (database, settings), database.connection() as connection:
        resealed = await keys.rotate(connection, settings.key_source, lost)
    return Answer(
        asdict(resealed),
        f"{resealed.sealed} secrets are sealed with the key {resealed.key_id} now.",
        *_lost(resealed),
        f"Start every process again, so that they seal with it too. Then: {called()} key retire",
    )


@app.command()
@acting()
async def retire() -> Answer:
    """End the older keys, once every process was started again: seal what they sealed since, and
    take them out of the key file.

    Example: almoner key retire
    """
    async with connect() as (database, settings), database.connection() as connection:
        resealed = await keys.retire(connection, settings.key_source)
    words = [
        f"{resealed.sealed} more secrets are sealed with the key {resealed.key_id} now.",
        *_lost(resealed),
    ]
    if settings.secret_key:
        words.append("Nothing needs the older keys any more: take them out of ALMONER_SECRET_KEY.")
    elif not resealed.lost:
        words.append("The older keys are gone from the key file.")
    return Answer(asdict(resealed), *words)


def _lost(resealed: keys.Resealed) -> list[str]:
    return [
        f"{count} of {table} cannot be opened with any key that is here, and stay as they are."
        f" {keys.MENDS[table]}"
        for table, count in resealed.lost.items()
    ]
