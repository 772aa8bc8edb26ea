"""``almoner key``: the key that secrets are sealed with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from almoner.access import keys
from almoner.access.secrets import key_id
from almoner.commands.session import AS_JSON, called, connect, print_json, print_rows, run, say

app = typer.Typer(help="The key that the secrets in the database are sealed with (ALMONER_SECRET_KEY).", no_args_is_help=True)


@app.command("list")
def list_keys(as_json: AS_JSON = False) -> None:
    """List the keys by their ids: whether this set-up has them, and how many secrets are sealed with each. No key is shown.

    Example: almoner key list
    """
    found = run(_list())
    if as_json:
        print_json(found)
    else:
        print_rows(found, ("id", "in_use", "at_hand", "secrets"), "No keys yet.")


async def _list() -> list[dict[str, Any]]:
    async with connect() as (database, settings), database.connection() as connection:
        current = await keys.box(connection, settings.key_source)
        counts: dict[str, int] = {}
        for (_, named), count in (await keys.usage(connection)).items():
            name = named or "before ids"
            counts[name] = counts.get(name, 0) + count
        held = [key_id(key) for key in settings.key_source.read()]
        return [
            {"id": name, "in_use": name == current.key_id, "at_hand": name in held, "secrets": counts.get(name, 0)}
            for name in dict.fromkeys([*held, *counts])
        ]


@app.command()
def rotate(
    lost: Annotated[
        bool, typer.Option("--lost", help="The key in use is gone: go on with a new one. What the old one sealed stays closed.")
    ] = False,
    as_json: AS_JSON = False,
) -> None:
    """Seal every secret with a new key, in one transaction. The old key still opens what is sealed with it meanwhile.

    With a key file the new key is made and put into it, and running processes find it there. With ALMONER_SECRET_KEY put it there
    yourself first, before the old one, and start every process again. `almoner key retire` ends it. Safe to repeat after a failure.

    Example: almoner key rotate
    """
    done = run(_rotate(lost))
    if as_json:
        print_json(asdict(done))
        return
    say(f"{done.sealed} secrets are sealed with the key {done.key_id} now.")
    _say_lost(done)
    say(f"Start every process again, so that they seal with it too. Then: {called()} key retire")


async def _rotate(lost: bool) -> keys.Resealed:
    async with connect() as (database, settings), database.connection() as connection:
        return await keys.rotate(connection, settings.key_source, lost)


@app.command()
def retire(as_json: AS_JSON = False) -> None:
    """End the older keys, once every process was started again: seal what they sealed since, and take them out of the key file.

    Example: almoner key retire
    """
    done, of_setting = run(_retire())
    if as_json:
        print_json(asdict(done))
        return
    say(f"{done.sealed} more secrets are sealed with the key {done.key_id} now.")
    _say_lost(done)
    if of_setting:
        say("Nothing needs the older keys any more: take them out of ALMONER_SECRET_KEY.")
    elif not done.lost:
        say("The older keys are gone from the key file.")


async def _retire() -> tuple[keys.Resealed, bool]:
    async with connect() as (database, settings), database.connection() as connection:
        return await keys.retire(connection, settings.key_source), bool(settings.secret_key)


def _say_lost(done: keys.Resealed) -> None:
    for table, count in done.lost.items():
        say(f"{count} of {table} cannot be opened with any key that is here, and stay as they are. {keys.MENDS[table]}")
