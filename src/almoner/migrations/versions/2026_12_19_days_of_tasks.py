"""Days of tasks: what a worker has to do is due where that worker lives: all figures are counted
again.
"""

from alembic import op

revision = "2026_12_19_days_of_tasks"
down_revision = "2026_12_19_what_waits"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE figure_positions SET filled_to = '00000000-0000-0000-0000-000000000000'")
