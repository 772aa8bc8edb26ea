"""Figures that hold: what was entered in error counts for nobody, and what a program sends is no
contact: all figures are counted again.
"""

from alembic import op

revision = "2026_12_19_figures_that_hold"
down_revision = "2026_12_18_failures"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE figure_positions SET filled_to = '00000000-0000-0000-0000-000000000000'")
