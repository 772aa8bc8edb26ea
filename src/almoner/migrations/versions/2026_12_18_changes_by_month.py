"""The change log is in parts by month. The table that is there becomes the first part as it is.

An index is made beside those who write. The table stands still for a moment at the end, as the parts take their place."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from almoner.migrations import monthly

revision = "2026_12_18_changes_by_month"
down_revision = "2026_12_17_consent_views"


def upgrade() -> None:
    monthly.part("changes", "changed_at", "environment_id, epoch, xid, seq, changed_at")
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "change_marks",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("xid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("epoch", "xid", name="change_marks_pkey"),
    )
    source = files("almoner") / "migrations" / "versions" / f"{revision}.sql"
    for statement in source.read_text(encoding="utf-8").split("--#\n"):
        op.get_bind().exec_driver_sql(statement)
