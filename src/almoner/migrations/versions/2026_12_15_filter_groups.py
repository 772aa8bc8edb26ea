"""Filter groups: what was one list of alternatives in a saved view is the first group of them."""

from alembic import op

revision = "2026_12_15_filter_groups"
down_revision = "2026_12_15_months"

_GROUPED = """
UPDATE panel_views SET view = jsonb_set(view::jsonb, '{some}', jsonb_build_array((
  SELECT jsonb_agg(jsonb_build_array(filter) ORDER BY place)
  FROM jsonb_array_elements(view::jsonb -> 'some') WITH ORDINALITY AS old(filter, place))))::json
WHERE jsonb_typeof(view::jsonb #> '{some,0}') = 'object'
"""


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_GROUPED)
    # What a program writes has no worker who did it.
    # Tasks of workers are figures from now on: all are counted again.
    op.execute("UPDATE figure_positions SET filled_to = '00000000-0000-0000-0000-000000000000'")
    op.alter_column("task_news", "by_worker_id", nullable=True)
