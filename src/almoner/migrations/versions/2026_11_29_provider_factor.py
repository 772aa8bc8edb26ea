"""Whether the identity provider vouched for a second factor as a session began."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_provider_factor"
down_revision = "2026_11_29_secret_keys"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "worker_sessions",
        sa.Column("provider_factor", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
