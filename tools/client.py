"""Writes what is generated of ``src/almoner_client``: the types and collections from the
declarations, and the client for threads from the one for asyncio. ``make client`` calls it, and
``tests/client/test_generated.py`` says when it is due.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from almoner.data_api import describe_schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.describe import openapi
from almoner.resources import RESOURCES

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "src" / "almoner_client"
HEADER: Final = "# Made by tools/client.py; `make client` makes it anew."
# So many values of a field are listed in its type; of more, such as languages, the server knows.
_LISTED: Final = range(1, 20)
_PLAIN: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
# From the words of asyncio to those of threads, in this order.
_SYNC: Final = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\basyncio\.Lock\b", "threading.Lock"),
    (r"^import asyncio\n", "import threading\n"),
    (r"\bhttpx\.AsyncClient\b", "httpx.Client"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsync([A-Z]\w*)\b", r"\1"),
    (r"\baclose\b", "close"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\balmoner_client\._async\b", "almoner_client._sync"),
    (r", for asyncio", ", for threads"),
    (r"\bbetween tasks\b", "between threads"),
    (r"\bTasks may share\b", "Threads may share"),
)


def generated() -> dict[str, str]:
    """The text of every generated file, by its path in the package."""
    documents = [openapi(RESOURCES, "", enveloped=enveloped) for enveloped in (False, True)]
    schemas = [document["components"]["schemas"] for document in documents]
    files = {f"rows/{r.name}.py": _formatted(_types(r, schemas)) for r in RESOURCES}
    files["rows/__init__.py"] = _formatted(_all_types(schemas))
    classes = {f"_async/{r.name}.py": _formatted(_collection(r)) for r in RESOURCES}
    classes["_async/collections.py"] = _formatted(_collections())
    written = {
        f"_async/{path.name}": path.read_text(encoding="utf-8")
        for path in sorted((PACKAGE / "_async").glob("*.py"))
        if path.name != "__init__.py" and f"_async/{path.name}" not in classes
    }
    sync = {
        name.replace("_async", "_sync"): for_threads(t) for name, t in (classes | written).items()
    }
    sync["_sync/__init__.py"] = f'{HEADER}\n"""The client for threads."""\n'
    return files | classes | sync


def for_threads(text: str) -> str:
    """A module for asyncio as one for threads."""
    for pattern, replacement in _SYNC:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return _formatted(text if text.startswith(HEADER) else f"{HEADER}\n{text}")


def _formatted(text: str) -> str:
    for command in (
        ("check", "--fix-only", "--quiet", "--select", "I,F401"),
        ("format", "--quiet"),
    ):
        text = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--stdin-filename",
                "src/almoner_client/x.py",
                "-",
            ],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return text


def _component(resource: Resource) -> str:
    return describe_schemas.component(resource)


def _class(resource: Resource) -> str:
    return "".join(part.capitalize() for part in resource.name.split("_"))


def _types(resource: Resource, schemas: list[Any]) -> str:
    name = _component(resource)
    parts = [
        f'{HEADER}\n"""{resource.title}, as the API takes and gives them."""',
        "from __future__ import annotations",
        "from collections.abc import Mapping, Sequence\n"
        "from datetime import date, datetime\nfrom typing import Any, Literal, Required, TypedDict",
        "import msgspec",
        _row_type(name, resource, schemas),
    ]
    for verb, suffix in ((Verb.CREATE, "Create"), (Verb.UPDATE, "Update")):
        if verb in resource.verbs:
            about = f"What {suffix} of {resource.title.lower()} takes."
            parts.append(_dict_type(f"{name}{suffix}", about, schemas))
    if Verb.UPDATE in resource.verbs:
        parts.append(_WITH_ID.format(name=name))
    about = (
        f"What Find of {resource.title.lower()} is narrowed by; what is left out filters nothing."
    )
    parts.append(_dict_type(f"{name}Find", about, schemas))
    return "\n\n".join(parts) + "\n"


_WITH_ID: Final = '''class {name}UpdateRow({name}Update, total=False):
    """Of a batch of updates: what Update takes, with the id."""

    id: Required[str]
    """Which row it is."""
'''


def _row_type(name: str, resource: Resource, schemas: list[Any]) -> str:
    documented, enveloped = (schema[name] for schema in schemas)
    lines = [
        f"class {name}(msgspec.Struct, frozen=True, kw_only=True):",
        _docstring(f"{resource.about} (contract: {resource.title}.) Times are in UTC."),
    ]
    for key, schema in {**enveloped["properties"], **documented["properties"]}.items():
        in_both = key in documented["properties"] and key in enveloped["properties"]
        schema = _wider(schema, enveloped["properties"].get(key, schema))
        kind = _annotation(schema, answered=True)
        about = schema.get("description", "")
        if not in_both:
            kind = kind if "None" in kind else f"{kind} | None"
            about = f"{about} In the enveloped shape alone."
        lines += [f"    {key}: {kind}{'' if in_both else ' = None'}", _docstring(about)]
    return "\n".join(lines)


def _dict_type(name: str, about: str, schemas: list[Any]) -> str:
    documented, enveloped = (schema[name] for schema in schemas)
    is_find = name.endswith("Find")
    lines = [f"class {name}(TypedDict, total=False):", _docstring(about)]
    for key, schema in {**enveloped["properties"], **documented["properties"]}.items():
        wider = _wider(schema, enveloped["properties"].get(key, schema))
        if key == "page[after]" or wider.get("readOnly"):
            continue
        kind = _annotation(wider, answered=False)
        kind = kind.removesuffix(" | None") if is_find else kind
        required = all(key in shape.get("required", ()) for shape in (documented, enveloped))
        about = schema.get("description", "")
        if key not in documented["properties"]:
            about = f"{about} In the enveloped shape alone."
        lines += [
            f"    {_python_name(key)}: {f'Required[{kind}]' if required else kind}",
            _docstring(about),
        ]
    return "\n".join(lines)


def _python_name(key: str) -> str:
    return (
        key.replace("page[size]", "page_size")
        .replace("page[", "updated_")
        .replace("[", "_")
        .rstrip("]")
    )


def _wider(schema: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What fits either of two schemas of one field."""
    both = dict(schema)
    if "enum" in schema and "enum" in other:
        both["enum"] = list(dict.fromkeys([*schema["enum"], *other["enum"]]))
    types = [t for s in (schema, other) for t in _kinds(s)]
    if types:
        both["type"] = list(dict.fromkeys(types))
    return both


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _annotation(schema: Mapping[str, Any], answered: bool) -> str:
    """The type of a value. What comes in is read with tolerance, what goes out is checked."""
    names: list[str] = []
    for kind in _kinds(schema) or ["any"]:
        names += [n for n in _names(kind, schema, answered) if n not in names]
    if "None" in names:
        names = [*(n for n in names if n != "None"), "None"]
    return " | ".join(names)


def _names(kind: str, schema: Mapping[str, Any], answered: bool) -> list[str]:
    form = schema.get("format")
    if kind == "string" and form in ("date-time", "date"):
        moment = "datetime" if form == "date-time" else "date"
        return [moment] if answered else [moment, "str"]
    if kind == "string" and len(schema.get("enum", ())) in _LISTED and not answered:
        return [f"Literal[{', '.join(repr(v) for v in schema['enum'] if isinstance(v, str))}]"]
    if kind == "array":
        inner = _annotation(schema.get("items", {}), answered)
        return [f"list[{inner}]" if answered else f"Sequence[{inner}]"]
    if kind == "object":
        return ["dict[str, Any]" if answered else "Mapping[str, Any]"]
    plain = {
        "string": "str",
        "integer": "int",
        "number": "float",
        "boolean": "bool",
        "null": "None",
    }
    return [plain.get(kind, "Any")]


def _docstring(text: str) -> str:
    lines = textwrap.wrap(f'"""{text.strip()}"""'.replace("\\", "\\\\"), 96, break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), "    ")


def _all_types(schemas: list[Any]) -> str:
    lines = [f'{HEADER}\n"""Rows of every collection, and what their operations take."""']
    names: list[str] = []
    for resource in RESOURCES:
        name = _component(resource)
        own = [
            n
            for n in (name, *(f"{name}{s}" for s in ("Create", "Update", "Find")))
            if n in schemas[0]
        ]
        own += [f"{name}UpdateRow"] if Verb.UPDATE in resource.verbs else []
        lines.append(f"from almoner_client.rows.{resource.name} import {', '.join(own)}")
        names += own
    return "\n".join(lines) + f"\n\n__all__ = {sorted(names)!r}\n"


_GET = '''
    async def get(self, row_id: str) -> {row}:
        """The {thing} with this id. Raises NotFound, ApiError, ConnectionFailed."""
        return await self._get(row_id)
'''
_FIND = '''
    def find(self, **filters: Unpack[{row}Find]) -> AsyncIterator[{row}]:
        """Those that fit all of these, in the order of their last change; each page is asked for
        when it is wanted. Raises InvalidRequest for what does not fit, at the first page.
        """
        return self._find(filters)
'''
_CREATE = '''
    async def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[{row}Create]
    ) -> {row}:
        """Creates one, once however often it is sent: by a key of its own, or one that you keep to
        ask again after a restart. Raises InvalidRequest with every path.
        """
        return await self._create(fields, idempotency_key)
'''
_UPDATE = '''
    async def update(
        self,
        row_id: str,
        *,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        **fields: Unpack[{row}Update],
    ) -> {row}:
        """Changes the fields that are named; None clears one. ``if_match`` is the ``ETag`` that the
        row must still have. Raises InvalidRequest, NotFound, PreconditionFailed.
        """
        return await self._update(row_id, fields, idempotency_key, if_match)
'''
_DELETE = '''
    async def delete(
        self, row_id: str, *, idempotency_key: str | None = None, if_match: str | None = None
    ) -> {row}:
        """Deletes one, and answers with what it was. Raises NotFound, PreconditionFailed."""
        return await self._delete(row_id, idempotency_key, if_match)
'''
_BATCH = '''
    async def batch(
        self,
        *,
{rows}        atomic: bool = True,
        minimal: bool = False,
        idempotency_key: str | None = None,
    ) -> list[BatchResult[{row}]]:
        """Up to 1,000 at once, all or nothing; each by itself where not ``atomic``.{more}
        Results have no ``row`` where they are to be ``minimal``, which is faster. Raises
        InvalidRequest with every path, such as ``.{verb}[3].user_id``.
        """
        options = {{{options}"atomic": atomic}}
        return await self._batch(
            {create}, {update}, options, idempotency_key, minimal=minimal
        )
'''
_METHODS: Final = (
    (Verb.GET, _GET),
    (Verb.FIND, _FIND),
    (Verb.CREATE, _CREATE),
    (Verb.UPDATE, _UPDATE),
    (Verb.DELETE, _DELETE),
)


def _batch(resource: Resource) -> str:
    name = _component(resource)
    creates, updates = Verb.CREATE in resource.verbs, Verb.UPDATE in resource.verbs
    if not (creates or updates):
        return ""
    rows = ""
    if creates:
        rows += f"        create: Sequence[{name}Create] | None = None,\n"
    if updates:
        rows += f"        update: Sequence[{name}UpdateRow] | None = None,\n"
    if creates:
        rows += '        on_existing: Literal["refuse", "keep", "update"] | None = None,\n'
    more = (
        "\n        ``on_existing`` tells what is done where one of its ``external_ids`` is known."
        if creates
        else ""
    )
    more += "\n        Each row of ``update`` has its ``id``." if updates else ""
    return _BATCH.format(
        rows=rows,
        row=name,
        more=more,
        verb="create" if creates else "update",
        options='"on_existing": on_existing, ' if creates else "",
        create="cast(Any, create)" if creates else "None",
        update="cast(Any, update)" if updates else "None",
    )


def _collection(resource: Resource) -> str:
    name = _component(resource)
    methods = [
        text.format(row=name, thing=resource.singular)
        for verb, text in _METHODS
        if verb in resource.verbs
    ]
    types = [name, f"{name}Find"] + [
        f"{name}{suffix}"
        for verb, suffix in (
            (Verb.CREATE, "Create"),
            (Verb.UPDATE, "Update"),
            (Verb.UPDATE, "UpdateRow"),
        )
        if verb in resource.verbs
    ]
    return f'''{HEADER}
"""The operations of {resource.title.lower()}."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Unpack, cast

from almoner_client._async.collection import AsyncCollection
from almoner_client.answers import BatchResult
from almoner_client.rows.{resource.name} import {", ".join(types)}


class Async{_class(resource)}(AsyncCollection[{name}]):
{_docstring(resource.about)}
{"".join(methods)}{_batch(resource)}'''


def _collections() -> str:
    lines = [
        f'{HEADER}\n"""Every collection of the contract."""\n',
        "from almoner_client import rows",
        "from almoner_client._async.transport import AsyncTransport",
        *(f"from almoner_client._async.{r.name} import Async{_class(r)}" for r in RESOURCES),
        "\n\nclass AsyncCollections:",
        '    """The collections of the contract, by their names."""\n',
        "    def __init__(self, transport: AsyncTransport) -> None:",
        "        self.transport = transport",
        *(
            f"        self.{r.name} = Async{_class(r)}(transport, {r.name!r}, rows.{_component(r)})"
            for r in RESOURCES
        ),
    ]
    return "\n".join(lines) + "\n"


def stale() -> Iterator[str]:
    """Generated files that are not what would be written now, and leftovers, by their paths."""
    files = generated()
    for name, text in files.items():
        path = PACKAGE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield name
    for folder in ("rows", "_sync"):
        for path in (PACKAGE / folder).glob("*.py"):
            if f"{folder}/{path.name}" not in files:
                yield f"{folder}/{path.name}"


def main() -> None:
    for name, text in generated().items():
        path = PACKAGE / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"Wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
