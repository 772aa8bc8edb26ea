"""A pipeline of dlt in a process of its own: runs once for each line that it reads, and says when it has."""

from __future__ import annotations

import sys
from pathlib import Path

import dlt

from almoner_client.dlt import almoner


def main(folder: Path) -> None:
    """Loads into ``copy.duckdb`` in the folder, in the data set ``care``."""
    for _ in sys.stdin:
        pipeline = dlt.pipeline(
            "copy",
            destination=dlt.destinations.duckdb(str(folder / "copy.duckdb")),
            dataset_name="care",
            pipelines_dir=str(folder),
        )
        pipeline.run(almoner()).raise_on_failed_jobs()
        sys.stdout.write("loaded\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
