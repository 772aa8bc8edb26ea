"""What asks for somebody: the answers that an alert is about, and when it was taken.

Indexes are made; these tables stand still meanwhile: alerts."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_14_severities"
down_revision = "2026_12_14_moves"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("alerts")
    op.add_column("alerts", sa.Column("taken_time", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("alerts", sa.Column("assessment_response_id", sa.UUID(), nullable=True))
    op.create_index(
        "alerts_assessment_response_id_idx",
        "alerts",
        ["environment_id", "assessment_response_id", "updated_at", "id"],
        unique=False,
    )
    op.create_foreign_key(
        "alerts_assessment_response_id_fkey",
        "alerts",
        "assessment_responses",
        ["environment_id", "assessment_response_id"],
        ["environment_id", "id"],
    )
