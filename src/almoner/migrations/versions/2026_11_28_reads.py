"""Which messages were read is kept at the messages themselves; an index holds those that nobody has read.

Every message that was read is written anew, and messages stand still meanwhile.
"""

import sqlalchemy as sa
from alembic import op

from almoner.migrations import locks

revision = "2026_11_28_reads"
down_revision = "2026_11_28_recovery_codes"

# Reading is no change of a message: what is noted of it is none of these.
_CHANGED_BY = "id, user_id, worker_id, conversation_id, direction, contents, automatically_sent, send_time, updated_at, created_at"


def upgrade() -> None:
    # A migration that cannot have its lock within five seconds gives up rather than stop everybody behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    locks.take("messages", "message_reads")
    op.add_column("messages", sa.Column("read_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("read_by", sa.Text(), nullable=True))
    op.execute("DROP TRIGGER almoner_touch ON messages")
    op.execute(
        f"CREATE TRIGGER almoner_touch BEFORE INSERT OR UPDATE OF {_CHANGED_BY} ON messages "
        "FOR EACH ROW EXECUTE FUNCTION almoner_touch()"
    )
    op.execute("DROP INDEX messages_inbound_part")
    op.execute(
        "UPDATE messages m SET read_at = r.read_at, read_by = r.read_by FROM message_reads r "
        "WHERE r.environment_id = m.environment_id AND r.message_id = m.id"
    )
    op.drop_table("message_reads")
    op.execute(
        "CREATE INDEX messages_unread_part ON messages (environment_id, user_id, conversation_id, send_time, id) "
        "WHERE direction = 'inbound' AND read_at IS NULL"
    )
