"""Where tests look for words in the text of a whole page, instead of by a role (tests/web/document.py):
what tests/test_repository.py counts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tools import rooms

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# How a selector of Playwright's finds by text.
_BY_TEXT: Final = ("text=", ":has-text(", ":text(")
# A file without any of these searches no text, unless what it imports reads one.
_MAY_BE_SEARCHED: Final = re.compile(r"\.text\b|\bget_by_text\b|text=|text\(")


def searched(path: Path) -> Iterator[str]:
    """Each place of a file where a literal is looked for in a page, as ``line: code``."""
    tree = rooms.tree(path)
    readers = _readers(path) | {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.")
        for alias in node.names
        if alias.name in _readers(_ROOT / f"{(node.module or '').replace('.', '/')}.py")
    }
    if not readers and not _MAY_BE_SEARCHED.search(path.read_text()):
        return
    sentences = set(_sentences(tree.body))
    for function in ast.walk(tree):
        if isinstance(function, _Function):
            texts = _Texts(readers, sentences, function)
            for node in ast.walk(function):
                if texts.are_searched_by(node) or _is_playwright_by_text(node):
                    assert isinstance(node, ast.expr)
                    yield f"{node.lineno}: {ast.unparse(node)[:120]}"


@cache
def _readers(path: Path) -> frozenset[str]:
    """The functions of a file that make a text of an answer."""
    if not path.is_file():
        return frozenset()
    functions = [node for node in rooms.tree(path).body if isinstance(node, _Function)]
    names: set[str] = set()
    for _ in functions:
        before = len(names)
        names |= {
            function.name
            for function in functions
            if function.returns is not None
            and ast.unparse(function.returns) == "str"
            and any(_reads(node, names) for node in ast.walk(function))
        }
        if len(names) == before:
            break
    return frozenset(names)


def _reads(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "text"
    if isinstance(node, ast.Constant):
        # What takes the tags away.
        return isinstance(node.value, str) and node.value.startswith("<[^>]")
    return isinstance(node, ast.Call) and ast.unparse(node.func) in names


class _Texts:
    """What holds the text of a page in a function."""

    def __init__(
        self, readers: set[str] | frozenset[str], sentences: set[str], function: _Function
    ) -> None:
        self._readers = readers
        self._sentences = {*sentences, *_sentences(ast.walk(function))}
        self._names: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and self._are(node.value):
                self._names |= {name.id for name in node.targets if isinstance(name, ast.Name)}

    def are_searched_by(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Compare)
            and isinstance(node.ops[0], ast.In | ast.NotIn)
            and (_is_literal(node.left) or ast.unparse(node.left) in self._sentences)
            and self._are(node.comparators[0])
        )

    def _are(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._names
        if isinstance(node, ast.Attribute):
            return node.attr == "text"
        if isinstance(node, ast.Subscript | ast.Await):
            return self._are(node.value)
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and self._are(called.value):
                return True
            name = ast.unparse(called)
            return name in self._readers or (
                name in ("unescape", "html.unescape", "re.sub") and any(map(self._are, node.args))
            )
        return False


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _sentences(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that stand for a text of several words: constants, and what goes through a table."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from _names_of(node.targets[0], [node.value])
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _names_of(node.target, [node.value])
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(
            node.iter, ast.Tuple | ast.List
        ):
            yield from _names_of(node.target, node.iter.elts)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.parametrize":
            names, cases = node.args[0], node.args[1]
            if isinstance(cases, ast.Tuple | ast.List):
                yield from _names_of(names, cases.elts)


def _names_of(target: ast.expr, values: list[ast.expr]) -> Iterator[str]:
    if isinstance(target, ast.Tuple):
        rows = [row.elts for row in values if isinstance(row, ast.Tuple)]
        for place, name in enumerate(target.elts):
            yield from _names_of(name, [row[place] for row in rows if place < len(row)])
    elif any(
        isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value
        for value in values
    ):
        yield str(target.value) if isinstance(target, ast.Constant) else ast.unparse(target)


def _is_playwright_by_text(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
        return False
    first, method = node.args[0], node.func.attr
    if method == "get_by_text":
        return _is_literal(first) and not _is_by_role(node.func.value)
    selects = method in ("locator", "wait_for_selector") and _is_literal(first)
    return selects and any(text in ast.unparse(first) for text in _BY_TEXT)


def _is_by_role(node: ast.expr) -> bool:
    """Whether Playwright looked up by role what is searched."""
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Attribute) and node.attr in ("get_by_role", "get_by_test_id"):
            return True
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def absences(path: Path) -> Iterator[tuple[int, str]]:
    """What a file says is absent by ``lacks``: its line, and how it is looked up."""
    for node in _lookups(path):
        if node.func.attr == "lacks":  # type: ignore[attr-defined]
            yield node.lineno, ", ".join(map(ast.unparse, node.args))


def presences(path: Path) -> Iterator[str]:
    """What a file looks up where it is present, as ``absences`` spells it."""
    for node in _lookups(path):
        method = node.func.attr  # type: ignore[attr-defined]
        if method != "lacks":
            arguments = [ast.unparse(argument) for argument in node.args]
            arguments += [ast.unparse(keyword.value) for keyword in node.keywords]
            yield ", ".join(arguments)
            yield ", ".join([repr("term" if method == "definition" else method), *arguments])


def _lookups(path: Path) -> Iterator[ast.Call]:
    if "Document" in path.read_text():
        for node in ast.walk(rooms.tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node
