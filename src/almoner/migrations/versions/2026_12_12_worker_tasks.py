"""What workers have to do."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

revision = "2026_12_12_worker_tasks"
down_revision = "2026_12_12_snoozes"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "worker_tasks",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.UUID(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("priority", sa.Text(), server_default=sa.text("'medium'"), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("due_time", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("author_worker_id", sa.UUID(), nullable=True),
        sa.Column("watcher_ids", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("comments", sa.JSON(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("completed_by_worker_id", sa.UUID(), nullable=True),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["environment_id", "author_worker_id"],
            ["workers.environment_id", "workers.id"],
            name="worker_tasks_author_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "completed_by_worker_id"],
            ["workers.environment_id", "workers.id"],
            name="worker_tasks_completed_by_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "patient_id"],
            ["patients.environment_id", "patients.id"],
            name="worker_tasks_patient_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="worker_tasks_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("worker_tasks_pkey")),
    )
    op.create_index(
        "worker_tasks_author_worker_id_idx",
        "worker_tasks",
        ["environment_id", "author_worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "worker_tasks_completed_by_worker_id_idx",
        "worker_tasks",
        ["environment_id", "completed_by_worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "worker_tasks_of_role_part",
        "worker_tasks",
        ["environment_id", "role", "id"],
        unique=False,
        postgresql_where=sa.text("completed_at IS NULL AND worker_id IS NULL"),
        postgresql_using="btree",
    )
    op.create_index(
        "worker_tasks_of_worker_part",
        "worker_tasks",
        ["environment_id", "worker_id", "id"],
        unique=False,
        postgresql_where=sa.text("completed_at IS NULL"),
        postgresql_using="btree",
    )
    op.create_index(
        "worker_tasks_patient_id_idx",
        "worker_tasks",
        ["environment_id", "patient_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "worker_tasks_role_idx",
        "worker_tasks",
        ["environment_id", sa.literal_column("hashtextextended(role, 0)"), "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "worker_tasks_updated_at_idx",
        "worker_tasks",
        ["environment_id", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "worker_tasks_worker_id_idx",
        "worker_tasks",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE ON public.worker_tasks FOR EACH ROW EXECUTE FUNCTION almoner_touch()
    """)
    )
