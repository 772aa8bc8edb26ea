"""How a worker reads times and weeks; null is what is usual where their time zone lies."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_notation"
down_revision = "2026_11_29_later_edition"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("worker_accounts", sa.Column("clock_hours", sa.SmallInteger()))
    op.add_column("worker_accounts", sa.Column("first_weekday", sa.SmallInteger()))
    op.create_check_constraint(
        "worker_accounts_clock_hours_check", "worker_accounts", "clock_hours IN (12, 24)"
    )
    op.create_check_constraint(
        "worker_accounts_first_weekday_check", "worker_accounts", "first_weekday IN (0, 5, 6)"
    )
