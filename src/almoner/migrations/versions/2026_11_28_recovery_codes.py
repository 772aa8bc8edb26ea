"""Recovery codes; where failed attempts to sign in come from; which row was read."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_recovery_codes"
down_revision = "2026_11_28_differences"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "recovery_codes",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="recovery_codes_worker_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "worker_id", "digest", name=op.f("recovery_codes_pkey")
        ),
    )
    # What a process of the version before counts meanwhile has no source, and belongs to all who are not known.
    op.add_column(
        "sign_in_failures",
        sa.Column("source", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
    )
    # Which row a get was of. Those that were noted before do not say.
    op.add_column("audit_reads", sa.Column("row_id", sa.UUID(), nullable=True))
    op.add_column(
        "sign_in_failures",
        sa.Column("is_known", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
