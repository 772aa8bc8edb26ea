"""Consents counted: what a patient says of being reached is a figure, so that a panel finds all
who say it by an index; all figures are counted again.
"""

from alembic import op

revision = "2026_12_21_consents_counted"
down_revision = "2026_12_20_proofs_that_stand"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE figure_positions SET filled_to = '00000000-0000-0000-0000-000000000000'")
