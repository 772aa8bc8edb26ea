"""Messages of partners."""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_12_05_messages_of_partners"
down_revision = "2026_12_04_process_triggers"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("integration_calls", "work_steps")
    op.add_column("integration_calls", sa.Column("content", sa.LargeBinary(), nullable=True))
    op.add_column("integration_calls", sa.Column("answer", sa.LargeBinary(), nullable=True))
    op.create_index(
        "work_steps_again_part",
        "work_steps",
        ["environment_id", "queue"],
        unique=False,
        postgresql_where=sa.text("state = 'ready' AND attempts > 0"),
    )
