"""What ``almoner doctor`` says of the role that serves: whether it may change what it must not."""

from __future__ import annotations

from typing import Any, Final

from almoner.commands.session import called

# Of the tables that are never rewritten, those that this role could rewrite all the same.
_RIGHTS: Final = """
SELECT
  (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
    AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')) AS owned,
  has_schema_privilege(current_schema(), 'CREATE') AS may_create,
  (SELECT count(*) FROM pg_trigger t WHERE t.tgname = 'almoner_append_only'
    AND has_table_privilege(t.tgrelid, 'UPDATE, DELETE, TRUNCATE')) AS rewritable
"""


async def of_server(connection: Any, is_parted: bool) -> tuple[bool, str, str]:
    """Whether it is well, what is there, and what to do. ``is_parted``: another role is named as
    the owner; where none is, that is told and no fault.
    """
    owned, may_create, rewritable = await connection.fetchrow(_RIGHTS)
    if not (owned or may_create or rewritable):
        return True, "may write rows, and neither rewrite logs nor change tables", ""
    if not is_parted:
        text = "owns the tables as well (ALMONER_OWNER_DATABASE_URL names another role for that)"
        return True, text, ""
    faults = [
        *([f"owns {owned} tables"] if owned else []),
        *(["may make tables"] if may_create else []),
        *([f"may rewrite {rewritable} logs"] if rewritable else []),
    ]
    return False, "; ".join(faults), f"Run with both addresses: {called()} migrate"
