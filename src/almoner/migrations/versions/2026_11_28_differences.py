"""The change log keeps what the fields of a changed row held before and after."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_differences"
down_revision = "2026_11_28_plain"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("changes", sa.Column("differences", sa.JSON(), nullable=True))
    op.execute(
        """
CREATE FUNCTION almoner_differences(was json, now json) RETURNS json LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  WITH fields AS (
    SELECT key, w.value AS was, n.value AS now,
      json_typeof(w.value) IS NOT DISTINCT FROM 'object' AND json_typeof(n.value) IS NOT DISTINCT FROM 'object' AS inside
    FROM json_each(was) w FULL JOIN json_each(now) n USING (key)
  )
  SELECT json_object_agg(path, json_build_array(d.was, d.now)) FROM (
    SELECT key AS path, f.was, f.now FROM fields f WHERE NOT inside
    UNION ALL
    SELECT f.key || '.' || parts.key, parts.was, parts.now FROM fields f CROSS JOIN LATERAL (
      SELECT key, w.value AS was, n.value AS now FROM json_each(f.was) w FULL JOIN json_each(f.now) n USING (key)
    ) parts WHERE f.inside
  ) d WHERE coalesce(d.was::text, 'null') <> coalesce(d.now::text, 'null')
$$
"""
    )
