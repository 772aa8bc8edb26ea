"""Which key the secrets of this database are sealed with."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_secret_keys"
down_revision = "2026_11_28_merged"


def upgrade() -> None:
    op.create_table(
        "secret_keys",
        sa.Column(
            "slot", sa.Integer(), server_default=sa.text("1"), autoincrement=False, nullable=False
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "since",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("slot", name=op.f("secret_keys_pkey")),
    )
