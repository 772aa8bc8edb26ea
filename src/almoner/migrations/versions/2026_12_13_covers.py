"""Who covers a worker who is away.

Indexes are made; these tables stand still meanwhile: absences."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_13_covers"
down_revision = "2026_12_12_patient_figures"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("absences")
    op.add_column("absences", sa.Column("cover_id", sa.UUID(), nullable=True))
    op.create_index(
        "absences_cover_id_idx", "absences", ["environment_id", "cover_id", "to_time"], unique=False
    )
