"""What waits: open tasks are found by when they are due, alerts by the worker whom they are for.

Indexes are made; these tables stand still meanwhile: alerts, worker_tasks."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_19_what_waits"
down_revision = "2026_12_19_figures_that_hold"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("alerts", "worker_tasks")
    op.create_index(
        "alerts_for_worker_part",
        "alerts",
        ["environment_id", "for_worker_id", "id"],
        unique=False,
        postgresql_where=sa.text("NOT completed AND NOT dismissed AND for_worker_id IS NOT NULL"),
        postgresql_using="btree",
    )
    op.drop_index(
        op.f("worker_tasks_of_role_part"),
        table_name="worker_tasks",
        postgresql_where="((completed_at IS NULL) AND (worker_id IS NULL))",
    )
    op.drop_index(
        op.f("worker_tasks_of_worker_part"),
        table_name="worker_tasks",
        postgresql_where="(completed_at IS NULL)",
    )
    op.create_index(
        "worker_tasks_due_of_role_part",
        "worker_tasks",
        [
            "environment_id",
            "role",
            sa.literal_column(
                "COALESCE(due_date, (due_time AT TIME ZONE 'UTC'::text)::date, '-infinity'::date)"
            ),
            "id",
        ],
        unique=False,
        postgresql_where=sa.text("completed_at IS NULL AND worker_id IS NULL"),
        postgresql_using="btree",
    )
    op.create_index(
        "worker_tasks_due_of_worker_part",
        "worker_tasks",
        [
            "environment_id",
            "worker_id",
            sa.literal_column(
                "COALESCE(due_date, (due_time AT TIME ZONE 'UTC'::text)::date, '-infinity'::date)"
            ),
            "id",
        ],
        unique=False,
        postgresql_where=sa.text("completed_at IS NULL"),
        postgresql_using="btree",
    )
