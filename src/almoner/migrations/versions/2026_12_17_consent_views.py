"""Consent views: a saved view that asks for a consent asks for one of three answers."""

from alembic import op

revision = "2026_12_17_consent_views"
down_revision = "2026_12_16_retention"

# As jsonb a filter is written with its shortest key first. Yes was "true"; "false" was whatever is
# not yes.
_ASKED = r"""
UPDATE panel_views SET view = regexp_replace(regexp_replace(regexp_replace(view::jsonb::text,
    '"value": "true", ("column": "consent\.)', '"value": "yes", \1', 'g'),
    '"test": "is", "value": "false", ("column": "consent\.)', '"test": "not", "value": "yes", \1',
    'g'),
    '"test": "not", "value": "false", ("column": "consent\.)', '"test": "is", "value": "yes", \1',
    'g')::json
WHERE view::text LIKE '%consent.%'
"""


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody
    # behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_ASKED)
