"""Patient figures."""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_12_patient_figures"
down_revision = "2026_12_12_worker_tasks"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "figure_positions",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("filled_to", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="figure_positions_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("figure_positions_pkey")),
    )
    op.create_table(
        "panel_views",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("worker_id", sa.UUID(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("shared_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("view", sa.JSON(), nullable=False),
        sa.Column(
            "saved_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["environment_id", "worker_id"],
            ["workers.environment_id", "workers.id"],
            name="panel_views_worker_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="panel_views_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("panel_views_pkey")),
    )
    op.create_index(
        "panel_views_worker_id_idx", "panel_views", ["environment_id", "worker_id"], unique=False
    )
    op.create_table(
        "patient_figures",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("figure", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("word", sa.Text(collation="C"), nullable=True),
        sa.Column("before", sa.Double(), nullable=True),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="patient_figures_environment_id_fkey"
        ),
        sa.PrimaryKeyConstraint(
            "environment_id", "figure", "patient_id", name=op.f("patient_figures_pkey")
        ),
    )
    op.create_index(
        "patient_figures_number_idx",
        "patient_figures",
        ["environment_id", "figure", "number", "patient_id"],
        unique=False,
    )
    op.create_index(
        "patient_figures_patient_id_idx",
        "patient_figures",
        ["environment_id", "patient_id"],
        unique=False,
    )
    op.create_index(
        "patient_figures_until_idx",
        "patient_figures",
        ["environment_id", "until"],
        unique=False,
        postgresql_where=sa.text("until IS NOT NULL"),
    )
    op.create_index(
        "patient_figures_word_idx",
        "patient_figures",
        ["environment_id", "figure", "word", "patient_id"],
        unique=False,
        postgresql_where=sa.text("word IS NOT NULL"),
    )
