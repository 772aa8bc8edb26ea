"""What is due of a patient is found in the order in which it was set off.

An index is made; this table stands still meanwhile: process_firings."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_21_order_of_firings"
down_revision = "2026_12_21_consents_counted"


def upgrade() -> None:
    locks.take("process_firings")
    op.create_index(
        "process_firings_order_part",
        "process_firings",
        ["environment_id", "patient_id", "id"],
        postgresql_where=sa.text("state = 'open'"),
    )
