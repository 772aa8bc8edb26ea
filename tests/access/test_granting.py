"""Rights come from one place, and each time they do it is written down: read off the code, so that
no writer is forgotten.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.house

SERVER = Path(__file__).resolve().parents[2] / "src" / "almoner"
# What opens the server to somebody, or sends something out of it.
ACCESS = (
    *(
        "clients",
        "client_secrets",
        "access_tokens",
        "subscriptions",
        "environments",
        "worker_accounts",
        "reset_links",
    ),
    *("programs", "publish_requests", "calendar_feeds"),
)
WRITES = re.compile(rf"\b(INSERT INTO|UPDATE|DELETE FROM)\s+({'|'.join(ACCESS)})\b")
NOTES = {"record", "changed"}
# Writers that note nothing, each with the reason.
NOT_NOTED = {
    "access/accounts.py:set_notation": "how times are written for a worker opens nothing",
    "access/tokens.py:issue": (
        "a program's own hourly token; long_lived_token notes those that people are shown"
    ),
    "access/second_factor.py:begin": "it means nothing before it is confirmed, which is noted",
    "access/second_factor.py:take": (
        "a code that was taken, so that none is taken twice; the signing in is noted"
    ),
    "notifications/ownership.py:Ownership.claim": "which process notifies",
    "notifications/ownership.py:Ownership.give_back": "which process notifies",
    "notifications/ownership.py:Ownership.leave": "which process notifies",
    "notifications/delivery_log.py:arrived": "how far a subscriber was told",
    "notifications/delivery_log.py:failed": "how far a subscriber was told",
    "notifications/delivery_log.py:advanced": "how far a subscriber was told",
    **dict.fromkeys(
        (
            "cells/arriving.py:arrive",
            "cells/arriving.py:remove_again",
            "cells/closing.py:close",
            "cells/closing.py:open_again",
        ),
        "where an environment is; who may do what stays",
    ),
    "cells/moving.py:EnvironmentMove._moved": "where an environment is; who may do what stays",
    "cells/moving.py:EnvironmentMove._undone": "where an environment is; who may do what stays",
    "cells/removal.py:remove": "the log of what it removes goes along, and is where it moved to",
}
# Whatever these do, somebody may do more after it than before: each asks, itself or through what it
# calls.
GIVES = {
    "access/clients.py": ("create", "change", "long_lived_token"),
    "access/client_secrets.py": ("rotate",),
    "access/accounts.py": ("set_roles", "enable"),
    "access/reset_links.py": ("make",),
    "notifications/subscriptions.py": ("create", "change"),
    "workshop/publish.py": ("publish",),
}
# These write to the same tables and give nothing beyond what the account or the client has.
OTHERWISE = {
    "access/tokens.py": "a token covers what its caller saw to",
    "access/created_by.py": "ends tokens",
    "access/second_factor.py": (
        "a worker's own second factor; to take away another's is asked by the page"
    ),
    "access/sign_in.py": "how a worker who was let in is known",
    "notifications/ownership.py": "which process notifies",
    "notifications/delivery_log.py": "how far a subscriber was told",
}
ASKS = {"require", "require_entering", "_require_rights", "require_second_person", "_authorise"}
# Who gives or takes access says on whose authority, except at the command line.
SAY_WHO = {
    "clients": (
        "create",
        "change",
        "end_tokens",
        "disable",
        "long_lived_token",
    ),
    "client_secrets": ("rotate", "retire", "revoke"),
    "subscriptions": ("create", "change", "pause", "resume", "delete"),
    "publish": ("publish",),
    "locks": ("lock",),
}
AT_THE_TERMINAL = ("commands/", "demo/")


@dataclass
class Function:
    """A function of the server: the tables it writes to, and the names of what it calls."""

    name: str
    tables: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)


def text_of(node: ast.AST) -> str:
    """Every string within, one after the other."""
    return " ".join(
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def tables_in(text: str) -> set[str]:
    return {match[2] for match in WRITES.finditer(text)}


def statements(tree: ast.Module) -> dict[str, set[str]]:
    """The tables that each statement of a module writes to, by the name of the statement."""
    literals = {}
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if targets and isinstance(targets[0], ast.Name) and tables_in(text_of(node)):
            literals[targets[0].id] = tables_in(text_of(node))
    return literals


def functions(tree: ast.Module, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from (
                (f"{node.name}.{entry.name}", entry)
                for entry in node.body
                if isinstance(entry, ast.FunctionDef | ast.AsyncFunctionDef)
            )


def called(node: ast.AST) -> set[str]:
    named = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    return {
        function.id if isinstance(function, ast.Name) else function.attr
        for function in named
        if isinstance(function, ast.Name | ast.Attribute)
    }


@cache
def modules() -> dict[str, dict[str, Function]]:
    """The functions of each file of the server, by their names."""
    read = {}
    for path in sorted(SERVER.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        known = statements(tree)
        functions_of = {}
        for name, node in functions(tree):
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            written = tables_in(text_of(node)).union(*(known[name] for name in known.keys() & used))
            functions_of[name] = Function(name, written, called(node))
        read[str(path.relative_to(SERVER))] = functions_of
    return read


def reaches(function: Function, asks: set[str], module: dict[str, Function]) -> bool:
    """Whether a function calls one of these, itself or through another one of its module."""
    visited: set[str] = set()
    waiting = [function]
    while waiting:
        now = waiting.pop()
        if now.calls & asks:
            return True
        further = {name for name in module if name.rpartition(".")[2] in now.calls} - visited
        visited |= further
        waiting += [module[name] for name in further]
    return False


def test_whoever_writes_to_a_table_of_access_notes_it() -> None:
    silent, exempt = [], set()
    for path, module in modules().items():
        for function in module.values():
            if not function.tables:
                continue
            short = function.name.rpartition(".")[2]
            callers = [function for function in module.values() if short in function.calls]
            noted = reaches(function, NOTES, module) or (
                callers and all(reaches(caller, NOTES, module) for caller in callers)
            )
            where = f"{path}:{function.name}"
            if where in NOT_NOTED:
                exempt.add(where)
            elif not noted:
                silent.append(
                    f"{where} writes to {', '.join(sorted(function.tables))} and notes no event"
                )
    assert not silent
    assert exempt == NOT_NOTED.keys(), "exempt is what is there"


def test_whoever_gives_a_right_asks_what_is_held() -> None:
    functions = modules()
    missing = [
        f"{path}:{name} does not ask"
        for path, names in GIVES.items()
        for name in names
        if not reaches(functions[path][name], ASKS, functions[path])
    ]
    # Nobody else adds to what somebody may do.
    givers = {
        "clients",
        "client_secrets",
        "access_tokens",
        "subscriptions",
        "worker_accounts",
        "reset_links",
        "programs",
    }
    missing += [
        f"{path}:{function.name} writes to {', '.join(sorted(givers & function.tables))}"
        for path, module in functions.items()
        for function in module.values()
        if path not in (*GIVES, *OTHERWISE) and givers & function.tables
    ]
    assert not missing


def test_pages_and_the_api_say_on_whose_authority_they_act() -> None:
    unsaid = []
    for path in sorted(SERVER.rglob("*.py")):
        inside = str(path.relative_to(SERVER))
        if inside.startswith(AT_THE_TERMINAL):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
            ):
                continue
            if node.func.attr not in SAY_WHO.get(node.func.value.id, ()):
                continue
            arguments = [
                ast.unparse(argument)
                for argument in (*node.args, *(keyword.value for keyword in node.keywords))
            ]
            if not {"by", "self.by", "visit.by", "_by(access, request)"} & {*arguments}:
                unsaid.append(
                    f"{inside}:{node.lineno} {ast.unparse(node.func)} does not say by whom"
                )
    assert not unsaid
