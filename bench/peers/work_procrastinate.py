"""Work through procrastinate as its documentation has it: a task for each row, which it updates as
it begins and as it ends.

    python work_procrastinate.py URL COUNT

Prints the tasks per second, and those per second of this process's processor. Run by `bench.work`
in the peers' environment."""

from __future__ import annotations

import asyncio
import sys
import time

import psycopg_pool
from procrastinate import App, PsycopgConnector

_SET = "UPDATE integration_tasks SET status = %s WHERE environment_id = 1 AND id = %s"


async def main(url: str, count: int) -> None:
    app = App(connector=PsycopgConnector(conninfo=url, max_size=16))
    pool = psycopg_pool.AsyncConnectionPool(
        url, min_size=16, max_size=16, open=False, kwargs={"autocommit": True}
    )

    @app.task
    async def update(row_id: str) -> None:
        async with pool.connection() as connection:
            await connection.execute(_SET, ("running", row_id))
            await connection.execute(_SET, ("succeeded", row_id))

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await pool.open()
        async with pool.connection() as connection:
            rows = await connection.execute(
                "SELECT id::text FROM integration_tasks WHERE environment_id = 1 LIMIT %s", (count,)
            )
            ids = [row[0] for row in await rows.fetchall()]
        await update.batch_defer_async(*({"row_id": row_id} for row_id in ids))
        begun, processor = time.perf_counter(), time.process_time()
        await app.run_worker_async(concurrency=16, wait=False)
        print(count / (time.perf_counter() - begun), count / (time.process_time() - processor))
        await pool.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
