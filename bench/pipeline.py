"""One load of all patients by dlt into DuckDB, in a process of its own: by ``almoner_client.dlt``,
or by dlt's own REST source. Prints how many seconds it took, without the imports.

``python -m bench.pipeline almoner|rest FOLDER TOKEN``, with the variables of ``almoner-client``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

from almoner_client.dlt import almoner

OURS, REST = "almoner", "rest"


def _rest(token: str) -> Any:
    """What dlt's documentation has for an API that names its next page in the Link header."""
    return rest_api_source(
        {
            "client": {
                "base_url": f"{os.environ['ALMONER_URL']}/v1/",
                "auth": {"type": "bearer", "token": token},
                "paginator": {"type": "header_link"},
            },
            "resources": [
                {
                    "name": "patients",
                    "primary_key": "id",
                    "write_disposition": "replace",
                    "endpoint": {
                        "path": "patients",
                        "params": {"page[size]": 1000},
                        "data_selector": "[0].data",
                    },
                }
            ],
        }
    )


def main(by: str, folder: Path, token: str) -> None:
    """Loads, and says how long it took."""
    source = almoner().with_resources("patients") if by == OURS else _rest(token)
    pipeline = dlt.pipeline(
        by,
        destination=dlt.destinations.duckdb(str(folder / f"{by}.duckdb")),
        dataset_name="care",
        pipelines_dir=str(folder),
    )
    begun = time.perf_counter()
    pipeline.run(source).raise_on_failed_jobs()
    seconds = time.perf_counter() - begun
    with pipeline.sql_client() as client:
        rows = client.execute_sql("SELECT count(*) FROM patients") or ()
    print(*rows[0], seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
