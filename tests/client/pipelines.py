"""A pipeline of dlt in a process of its own: runs once for each line that it reads, and says when it has."""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path

import dlt

from almoner_client import Client
from almoner_client.dlt import almoner

_AGAIN_SECONDS = 0.1


def load(folder: Path, client: Client | None = None) -> None:
    """Loads into ``copy.duckdb`` in the folder, in the data set ``care``."""
    pipeline = dlt.pipeline(
        "copy",
        destination=dlt.destinations.duckdb(str(folder / "copy.duckdb")),
        dataset_name="care",
        pipelines_dir=str(folder),
    )
    pipeline.run(almoner(client)).raise_on_failed_jobs()


def load_without_an_end(folder: Path, client: Client) -> None:
    """Loads again and again. dlt works in a folder by one process, so a second one begins where the first has
    ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "in use").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        while True:
            try:
                load(folder, client)
            except Exception as error:
                # The server is away for longer than a request is tried again, or has another epoch.
                sys.stderr.write(f"{error!r}\n")
            time.sleep(_AGAIN_SECONDS)


def main(folder: Path) -> None:
    """Loads for each line."""
    for _ in sys.stdin:
        load(folder)
        sys.stdout.write("loaded\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
