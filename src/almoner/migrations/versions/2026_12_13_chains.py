"""Logs are chained by hash: three tables, which are filled in the background."""

from textwrap import dedent

import sqlalchemy as sa
from alembic import op

revision = "2026_12_13_chains"
down_revision = "2026_12_12_erasures"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "chain_amendments",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("erasure_id", sa.UUID(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("digest_before", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column(
            "amended_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("environment_id", "id", name=op.f("chain_amendments_pkey")),
    )
    op.create_index(
        "chain_amendments_number_idx",
        "chain_amendments",
        ["environment_id", "log", "number", "id"],
        unique=False,
    )
    op.create_table(
        "chain_batches",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("to_key", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "sealed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("environment_id", "log", "number", name=op.f("chain_batches_pkey")),
    )
    op.create_index(
        "chain_batches_to_key_idx",
        "chain_batches",
        ["environment_id", "log", "to_key"],
        unique=False,
    )
    op.create_table(
        "chain_heads",
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("environment_id", "log", name=op.f("chain_heads_pkey")),
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON chain_batches FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
    """)
    )
    op.get_bind().exec_driver_sql(
        dedent("""
    CREATE TRIGGER almoner_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON chain_amendments FOR EACH STATEMENT EXECUTE FUNCTION almoner_append_only()
    """)
    )
