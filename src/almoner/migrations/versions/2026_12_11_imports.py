"""Imports."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_11_imports"
down_revision = "2026_12_10_calls_visits_alerts"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "imports",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("parts_done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=True),
        sa.Column("choices", sa.JSON(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="imports_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("imports_pkey")),
    )
    op.create_table(
        "import_parts",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("problems_sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "import_id"],
            ["imports.environment_id", "imports.id"],
            name="import_parts_import_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "import_id", "place", name=op.f("import_parts_pkey")
        ),
    )
    op.create_table(
        "import_results",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("row_id", sa.UUID(), nullable=True),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id", "import_id"],
            ["imports.environment_id", "imports.id"],
            name="import_results_import_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "import_id", "line", name=op.f("import_results_pkey")
        ),
    )
