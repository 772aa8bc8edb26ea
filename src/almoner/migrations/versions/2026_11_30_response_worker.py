"""Who filled in an assessment, as the contract's later edition has it.

Indexes are made; these tables stand still meanwhile: assessment_responses."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_11_30_response_worker"
down_revision = "2026_11_30_ahead"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("assessment_responses")
    op.add_column("assessment_responses", sa.Column("worker_id", sa.UUID(), nullable=True))
    op.create_index(
        "assessment_responses_worker_id_idx",
        "assessment_responses",
        ["environment_id", "worker_id", "updated_at", "id"],
        unique=False,
    )
    op.create_foreign_key(
        "assessment_responses_worker_id_fkey",
        "assessment_responses",
        "workers",
        ["environment_id", "worker_id"],
        ["environment_id", "id"],
    )
