"""What ``almoner doctor`` says of the role that serves: whether it may change what it must not."""

from __future__ import annotations

from typing import Any, Final

from almoner.commands.session import called

# What this role could do that it must not: of the tables that are never rewritten, those that it
# could rewrite all the same; and what it could set, make or pass by.
_RIGHTS: Final = """
SELECT
  (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
    AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')) AS owned,
  has_schema_privilege(current_schema(), 'CREATE') AS may_create,
  has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary,
  (SELECT count(*) FROM pg_trigger t WHERE t.tgname = 'almoner_append_only'
    AND has_table_privilege(t.tgrelid, 'UPDATE, DELETE, TRUNCATE')) AS rewritable,
  (SELECT count(*) FROM pg_trigger t WHERE t.tgname IN ('almoner_erasure_stands',
    'almoner_chain_goes_on') AND has_table_privilege(t.tgrelid, 'DELETE, TRUNCATE')) AS removable,
  (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
    AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'UPDATE') END) AS settable,
  (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS passes_by
"""


async def of_server(connection: Any, is_parted: bool) -> tuple[bool, str, str]:
    """Whether it is well, what is there, and what to do. ``is_parted``: another role is named as
    the owner; where none is, that is told and no fault.
    """
    rights = await connection.fetchrow(_RIGHTS)
    if not any(rights):
        return True, "may write rows, and neither rewrite logs nor change tables", ""
    if not is_parted:
        text = "owns the tables as well (ALMONER_OWNER_DATABASE_URL names another role for that)"
        return True, text, ""
    faults = {
        f"owns {rights['owned']} tables": rights["owned"],
        "may make tables": rights["may_create"],
        "may make temporary tables": rights["may_create_temporary"],
        f"may rewrite {rights['rewritable']} logs": rights["rewritable"],
        f"may delete of {rights['removable']} proofs": rights["removable"],
        f"may set {rights['settable']} sequences": rights["settable"],
        "is a superuser or has BYPASSRLS": rights["passes_by"],
    }
    hints = [f"Run with both addresses: {called()} migrate"]
    if rights["passes_by"]:
        hints.append("Then: ALTER ROLE ... NOSUPERUSER NOBYPASSRLS")
    return False, "; ".join(text for text, is_so in faults.items() if is_so), ". ".join(hints)
