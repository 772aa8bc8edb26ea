"""The tables of work that runs by itself: what is to be done, who does it, and the integrations of
each environment.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    UUID,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from almoner.schema.columns import (
    MOMENT,
    binary,
    guid,
    integer,
    key,
    moment,
    refers,
    string,
    table,
)


def work_tables(metadata: MetaData) -> None:
    # The processes that do work: whose row has run out has lost its steps to the others.
    Table(
        "work_runners",
        metadata,
        Column("id", UUID, primary_key=True),
        Column("alive_until", MOMENT, nullable=False),
    )
    # Queues that have ever had a step, so that looking for those with something due is a look at
    # each.
    table(
        metadata,
        "work_queues",
        string("name"),
        *key("work_queues", "environment_id", "name"),
    )
    _steps(metadata)
    _put_away(metadata)
    _imports(metadata)
    table(
        metadata,
        "integrations",
        string("name"),
        Column("settings", JSON, nullable=False),
        # The secrets among the settings, as JSON.
        Column("sealed", LargeBinary),
        # What it may do with the data, as it was granted.
        Column("scopes", ARRAY(Text), nullable=False),
        Column("enabled", Boolean, nullable=False),
        moment("changed_at"),
        # When its jobs begin by themselves, as cron writes it, in this zone; and when the next one
        # does.
        string("schedule", nullable=True),
        string("zone", nullable=True),
        moment("next_at", now=False),
        # How whoever calls its hook proves to be the partner; null where it has none.
        string("hook_way", nullable=True),
        Column("hook_sealed", LargeBinary),
        # Up to where the change log was read for it; null where no change begins a job.
        string("changes_cursor", nullable=True),
        *key("integrations", "environment_id", "name"),
    )
    # Calls of hooks and messages of partners that were taken, so that none is taken twice: known by
    # ``digest``, with the digest of all that was sent and what it was answered with where the
    # answer is to be the same again.
    table(
        metadata,
        "integration_calls",
        string("name"),
        binary(),
        guid("job_id"),
        moment("received_at"),
        Column("content", LargeBinary),
        Column("answer", LargeBinary),
        *key("integration_calls", "environment_id", "name", "digest"),
        Index("integration_calls_received_at_idx", "environment_id", "name", "received_at"),
    )


def _imports(metadata: MetaData) -> None:
    table(
        metadata,
        "imports",
        guid(),
        # Who began it, as whom its rows are written.
        guid("worker_id"),
        string("collection"),
        # The ending of the file that was uploaded; its name may tell of somebody.
        string("kind"),
        string("state"),
        integer("rows"),
        integer("parts"),
        Column("parts_done", Integer, nullable=False, server_default=text("0")),
        # Which column is which field, what is done with likely duplicates, and how many rows came
        # to which outcome.
        Column("columns", JSON),
        Column("choices", JSON),
        Column("counts", JSON),
        moment(),
        moment("ended_at", now=False),
        *key("imports", "environment_id", "id"),
    )
    # What was uploaded, and what is wrong with it and who of it may be here: both tell of patients,
    # and are deleted when it is written, or after a day.
    table(
        metadata,
        "import_parts",
        *refers("import_parts", "import_id", "imports"),
        integer("place"),
        binary("sealed"),
        Column("problems_sealed", LargeBinary),
        PrimaryKeyConstraint("environment_id", "import_id", "place"),
    )
    # What came of each row, and the transaction that wrote it, by which the change log tells what
    # it was before.
    table(
        metadata,
        "import_results",
        *refers("import_results", "import_id", "imports"),
        integer("line"),
        integer("place"),
        string("outcome"),
        Column("row_id", UUID),
        moment("updated_at", now=False),
        integer("epoch"),
        Column("xid", BigInteger, nullable=False),
        string("note", nullable=True),
        PrimaryKeyConstraint("environment_id", "import_id", "line"),
    )


def _put_away(metadata: MetaData) -> None:
    """What somebody has decided about work that failed, or is not to go on."""
    # Failures that somebody has put away: of a job, whose steps ended before that.
    table(
        metadata,
        "work_dismissals",
        guid("job_id"),
        moment("dismissed_at"),
        string("dismissed_by"),
        string("reason"),
        *key("work_dismissals", "environment_id", "job_id"),
    )
    # Who sees to a failure of a job, or of what could not be begun.
    table(
        metadata,
        "work_owners",
        guid("job_id"),
        moment("taken_at"),
        string("taken_by"),
        *key("work_owners", "environment_id", "job_id"),
    )
    # What keeps something from being begun by itself, as long as it does: a process (blank: any),
    # or the jobs of an integration.
    table(
        metadata,
        "work_faults",
        string("begun"),
        string("name"),
        guid(),
        string("code"),
        string("message"),
        moment("noted_at"),
        *key("work_faults", "environment_id", "begun", "name"),
    )
    # Runs in the background of a page that somebody has called off; whichever process of the server
    # has the run looks here.
    table(
        metadata,
        "cancelled_runs",
        string("run_id"),
        moment("cancelled_at"),
        *key("cancelled_runs", "environment_id", "run_id"),
    )


def _steps(metadata: MetaData) -> None:
    steps = table(
        metadata,
        "work_steps",
        guid(),
        guid("job_id"),
        Column("parent_id", UUID),
        string("queue"),
        string("name"),
        # Which of its parent's calls it came from, and its place among the steps of that. At -1
        # stand the earlier runs of the parent itself, each with what it had called.
        integer("call"),
        integer("place"),
        Column("args", JSON),
        Column("result", JSON),
        string("state", default="ready"),
        Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
        # How often it was taken up: what a runner writes is fenced by it.
        Column("claims", Integer, nullable=False, server_default=text("0")),
        moment("due_at"),
        Column("runner_id", UUID),
        moment("started_at", now=False),
        moment("finished_at", now=False),
        # The transaction of its end, by which the change log tells what it wrote; null where it
        # wrote nothing.
        Column("epoch", Integer),
        Column("xid", BigInteger),
        # Its place in the job, the same in each run of that; null where that is its id.
        Column("key", UUID),
        PrimaryKeyConstraint("environment_id", "id"),
        ForeignKeyConstraint(
            ["environment_id", "parent_id"],
            ["work_steps.environment_id", "work_steps.id"],
            name="work_steps_parent_id_fkey",
        ),
        UniqueConstraint(
            "environment_id", "parent_id", "call", "place", name="work_steps_place_key"
        ),
    )
    _step_indexes(steps)


def _step_indexes(steps: Table) -> None:
    Index("work_steps_job_id_idx", steps.c.environment_id, steps.c.job_id)
    Index(
        "work_steps_ready_part",
        *(steps.c.environment_id, steps.c.queue, steps.c.due_at, steps.c.id),
        postgresql_where=text("state = 'ready'"),
    )
    Index(
        "work_steps_again_part",
        *(steps.c.environment_id, steps.c.queue),
        postgresql_where=text("state = 'ready' AND attempts > 0"),
    )
    for state in ("running", "blocked"):
        Index(
            f"work_steps_{state}_part",
            *(steps.c.environment_id, steps.c.queue),
            postgresql_where=text(f"state = '{state}'"),
        )
    Index(
        "work_steps_open_part",
        *(steps.c.environment_id, steps.c.parent_id),
        postgresql_where=text("state IN ('ready', 'running', 'blocked')"),
    )
    # Jobs whose steps still have what they were given.
    Index(
        "work_steps_given_part",
        steps.c.finished_at,
        postgresql_where=text("parent_id IS NULL AND args IS NOT NULL"),
    )
    Index(
        "work_steps_unsuccessful_part",
        *(steps.c.environment_id, steps.c.queue),
        postgresql_where=text("state IN ('failed', 'refused')"),
    )
