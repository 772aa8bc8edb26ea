"""The rules of the house that a machine can keep: where imports point, how long things are, what is
written down.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

from tests.web import literals
from tools import rooms
from tools.rooms import LAYERS, wrong_directions

pytestmark = pytest.mark.house

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
SERVER = SOURCE / "almoner"
LOCKS = tuple(
    ROOT / name
    for name in (
        "requirements.lock",
        "production.lock",
        "installer.lock",
        "bench/peers/requirements.lock",
    )
)

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
# What a screen shows of it.
LONGEST_TEMPLATE = 60
WIDEST_TEMPLATE = 160
# Of a dataclass that is made by places.
MOST_FIELDS = 4

# The composition roots: they read settings, build the parts and wire them.
ROOTS = LAYERS[0].rooms - {"settings"}
# Settings are read by the roots and handed in everywhere else; the reference describes each of
# them.
KNOW_SETTINGS = ROOTS | {"settings", "reference"}
# Who looks at the process's environment: settings; the embedded server, for that of its programs;
# the metrics, for the one variable that the Prometheus client reads by itself; and what tells
# systemd, for the variables by which that names its socket.
READ_ENVIRONMENT = {
    "settings.py",
    "embedded/clients.py",
    "embedded/programs.py",
    "operations/metrics.py",
    "operations/systemd.py",
}


# Words of a private dialect: each hides what a thing is (a row, a body, problems, a position ...).
DIALECT = re.compile(
    r"(^|[_-])(found|given|held|kept|made|one|said|seen|shown|sight|stated|told|typed|wanted)"
    r"([_-]|$)"
)
NAMED_ELSEWHERE = {
    "not_found",  # HTTP, 404
    "connection_made",  # asyncio.Protocol
    "handle_one_request",  # http.server
    *("kept_id", "last_seen_at", "made_by", "seen_at"),  # columns
    *("one_of", "shown_when"),  # the keys of a program's file
    "commands/finding.py: seen",  # what `almoner doctor --json` answers
    "processes/firings.py: held",  # a state of a firing
    "processes/firing_counts.py: held",
    "portal/collections/consents.html: given",  # consent is given or not
}
# What fits anything as a whole name; as a part of one (``data_home``) it may be the field's word.
VAGUE = {"data", "datum", "info"}
VAGUE_ELSEWHERE = {
    "operations/protocol.py: data",  # asyncio.Protocol.data_received
    "src/almoner_client/answers.py: data",  # the member of the contract's answers
}


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def tracked() -> Iterator[tuple[Path, str]]:
    """Every text file that is, or would be, part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in sorted(set(listed.split("\0")) - {""}):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue


def room(path: Path) -> str:
    """``almoner/data_api/find.py`` is in the room ``data_api``, ``almoner/errors.py`` is the room
    ``errors``.
    """
    return path.relative_to(SERVER).parts[0].removesuffix(".py")


def nodes_of(path: Path, *words: str) -> Iterator[ast.AST]:
    """Every node of a file that has one of these words; one that has none of them is not parsed."""
    if re.search(rf"\b(?:{'|'.join(words)})\b", path.read_text()):
        yield from ast.walk(rooms.tree(path))


@dataclass(frozen=True)
class Function:
    """A function of the source: how many lines it has, and whether it takes any number of values."""

    name: str
    lines: int
    takes_any: bool


@dataclass(frozen=True)
class SourceFile:
    """What the tests ask of a file of the source. ``names`` are those that it gives, ``wide`` its calls
    with more than five values without a name; each with its line.
    """

    functions: list[Function] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)
    wide: list[tuple[int, str]] = field(default_factory=list)


@cache
def source_file(path: Path) -> SourceFile:
    # What it imports is read off the same tree.
    rooms.imported(path)
    file = SourceFile()
    for node in ast.walk(rooms.tree(path)):
        file.names.extend(names_bound(node))
        if isinstance(node, ast.ClassDef):
            file.classes.append(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            file.functions.append(Function(node.name, lines, node.args.vararg is not None))
        elif isinstance(node, ast.Call) and len(node.args) > 5:
            file.wide.append((node.lineno, ast.unparse(node.func)))
    return file


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name, _ in rooms.imported(path) if name.startswith("almoner.")}


def test_imports_point_one_way() -> None:
    """Down the layers of tools/rooms.py, of which docs/architecture.md has the picture."""
    wrong = wrong_directions()
    assert not wrong, (
        f"{'; '.join(wrong)}: up the layers. Move what is needed down, or hand it in; a room"
        " that is new stands in LAYERS of tools/rooms.py."
    )


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {name for name, _ in rooms.modules()}
    imports = {
        module: (
            {
                other if other in names else other.rpartition(".")[0]
                for other, _ in rooms.imported(path)
            }
            & names - {module}
        )
        for module, path in rooms.modules()
    }
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_only_the_composition_roots_start_a_database() -> None:
    wrong = {
        str(path.relative_to(SOURCE))
        for path in SERVER.rglob("*.py")
        if room(path) not in ROOTS | {"embedded", "backups"} and "embedded" in rooms_imported(path)
    }
    assert not wrong, (
        f"{', '.join(sorted(wrong))} import almoner.embedded. Take a database as an argument: the"
        f" roots ({', '.join(sorted(ROOTS))}) start one."
    )


def test_only_the_composition_roots_and_the_reference_know_the_settings() -> None:
    wrong = {
        str(path.relative_to(SOURCE))
        for path in SERVER.rglob("*.py")
        if room(path) not in KNOW_SETTINGS and "settings" in rooms_imported(path)
    }
    assert not wrong, (
        f"{', '.join(sorted(wrong))} import almoner.settings. Take what is needed of them as an"
        " argument: a root reads settings and hands it in."
    )


def test_only_settings_look_at_the_environment_of_the_process() -> None:
    wrong = {
        f"{path.relative_to(SERVER)}:{node.lineno}"
        for path in SERVER.rglob("*.py")
        if str(path.relative_to(SERVER)) not in READ_ENVIRONMENT and room(path) not in ROOTS
        for node in nodes_of(path, "environ", "getenv")
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv"}
    }
    assert not wrong, (
        f"{', '.join(sorted(wrong))} look at os.environ. Make it a setting (settings.py), and take its"
        " value as an argument."
    )


def test_one_place_says_how_a_server_is_run() -> None:
    # Whoever goes round it has none of the limits and none of the care with ``Upgrade`` that stand
    # in it.
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*SERVER.rglob("*.py"), ROOT / "tests" / "conftest.py"]
        if path != SERVER / "server.py"
        for node in nodes_of(path, "uvicorn")
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"uvicorn.Config", "uvicorn.run"}
    ]
    assert not wrong, (
        f"{', '.join(wrong)} run uvicorn by themselves. Call almoner.server, which has the limits."
    )


def test_no_page_asks_for_an_address_that_the_caller_had_a_part_in() -> None:
    # Starlette puts ``request.url`` and its like together with the Host that was sent;
    # ``Visit.here`` is the path alone.
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in SERVER.rglob("*.py")
        for node in nodes_of(path, "url")
        if isinstance(node, ast.Attribute)
        and node.attr in {"url", "base_url", "url_for"}
        and ast.unparse(node.value).rpartition(".")[2] == "request"
    ]
    assert not wrong, (
        f"{'; '.join(wrong)}: put together with the Host that was sent. Take visit.here for the path,"
        " settings.url for the address."
    )


def test_the_rules_are_of_what_there_is() -> None:
    rooms = {room(path) for path in SERVER.rglob("*.py")}
    assert (KNOW_SETTINGS | ROOTS) - rooms == set()
    assert [name for name in READ_ENVIRONMENT if not (SERVER / name).is_file()] == []


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in sources():
        if (lines := path.read_text().count("\n")) > LONGEST_FILE:
            long.append(f"{path.relative_to(SOURCE)} has {lines} lines")
        # A migration that was written stays as it is.
        if path.parent.name != "versions":
            long += [
                f"{path.relative_to(SOURCE)}: {function.name} has {function.lines} lines"
                for function in source_file(path).functions
                if function.lines > LONGEST_FUNCTION
            ]
    assert not long, (
        f"Longer than {LONGEST_FILE} lines a file, {LONGEST_FUNCTION} a function: {'; '.join(long)}."
        " Look for what is said twice, then for a part that has a name of its own."
    )


def test_templates_stay_short() -> None:
    long = [
        f"{path.relative_to(SOURCE)} has {lines} lines"
        for path in sorted(SOURCE.rglob("*.html"))
        if (lines := path.read_text().count("\n")) > LONGEST_TEMPLATE
    ]
    assert not long, (
        f"Longer than {LONGEST_TEMPLATE} lines: {'; '.join(long)}. Make a macro of what is said"
        " twice, and a partial of what has a name."
    )


def test_lines_of_templates_fit_a_screen() -> None:
    wide = [
        f"{path.relative_to(SOURCE)}:{number}"
        for path in sorted(SOURCE.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > WIDEST_TEMPLATE
    ]
    assert not wide, (
        f"Wider than {WIDEST_TEMPLATE}: {'; '.join(wide)}. Break it within a tag or an expression, or"
        " behind a block, whose line end is not drawn."
    )


def test_every_template_that_another_names_is_there() -> None:
    named = re.compile(r'\b(?:extends|from|import|include) "([^"]+\.html)"')
    wrong = []
    for path in sorted(SERVER.rglob("*.html")):
        # The reference is drawn by itself, before the server begins.
        of_reference = path.is_relative_to(SERVER / "reference")
        root = SERVER / "reference" / "templates" if of_reference else SERVER
        wrong += [
            f"{path.relative_to(SERVER)} names {name}"
            for name in named.findall(path.read_text())
            if not (root / name).is_file()
        ]
    assert not wrong, f"{'; '.join(wrong)}, which is not there. Did it get another name?"


def test_what_scrolls_can_be_reached_by_the_keyboard_and_has_a_name() -> None:
    scrolling = re.compile(r'<div class="(?:[^"]* )?scroll[" ][^>]*>')
    wrong = [
        f"{path.relative_to(SERVER)}: {element}"
        for path in sorted(SERVER.rglob("*.html"))
        for element in scrolling.findall(path.read_text())
        if 'tabindex="0"' not in element or "aria-label" not in element
    ]
    assert not wrong, f"{'; '.join(wrong)}: give it tabindex, a role and a name (WCAG 2.1.1)."


def test_options_are_drawn_by_the_one_filter() -> None:
    wrong = [
        f"{path.relative_to(SERVER)}:{number}"
        for path in sorted(SERVER.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "<option" in line
    ]
    assert not wrong, (
        f"{'; '.join(wrong)}: hand what can be chosen to the filter `options` (pages/options.py),"
        " which keeps a name in the direction of its script."
    )


def test_no_file_is_named_after_nothing_in_particular() -> None:
    vague = re.compile(r"(^|_)(util|utils|helper|helpers|manager|managers|misc|common)($|_)")
    wrong = [str(path.relative_to(SOURCE)) for path in sources() if vague.search(path.stem)]
    assert not wrong, f"{', '.join(wrong)}: name a file by what is in it (STYLE.md, Names)."


# Where pages and forms are drawn: what their templates are handed.
DRAW = ("portal/", "pages/", "workshop/pages/", "reference/")


def test_what_a_page_is_drawn_from_is_made_with_keywords() -> None:
    wrong = [
        f"{file}:{node.lineno}: {node.name}"
        for path in sources()
        if (file := str(path.relative_to(SOURCE)).removeprefix("almoner/")).startswith(DRAW)
        for node in nodes_of(path, "dataclass")
        if isinstance(node, ast.ClassDef) and len(places(node)) > MOST_FIELDS
    ]
    assert not wrong, (
        f"More than {MOST_FIELDS} fields that are made by their places: {'; '.join(wrong)}. Say"
        " @dataclass(frozen=True, kw_only=True) (STYLE.md, Order inside a file)."
    )


def places(node: ast.ClassDef) -> list[str]:
    """The fields of a dataclass that are made by their places, none of any other class."""
    decorators = [
        text for each in node.decorator_list if "dataclass" in (text := ast.unparse(each))
    ]
    if not decorators or "kw_only=True" in decorators[0]:
        return []
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
    return list(takewhile(lambda field: field != "_: KW_ONLY", fields))


# What a statement gives names to: columns, tables and the parts of a WITH.
SQL_NAME = re.compile(
    r"\bAS (?:MATERIALIZED )?([a-z_]\w*)|\b([a-z_]\w*)(?:\([\w, ]*\))? AS (?:MATERIALIZED )?\("
)


def names_bound(node: ast.AST) -> Iterator[tuple[int, str]]:
    """What a node gives a name to: a variable, parameter, attribute, function or class, and what its
    SQL does; with its line.
    """
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
    elif isinstance(node, ast.Attribute):
        if isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and "AS " in node.value:
            for match in SQL_NAME.finditer(node.value):
                yield node.lineno, match[1] or match[2]
    elif isinstance(node, ast.arg):
        yield node.lineno, node.arg
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.lineno, node.name
    elif isinstance(node, ast.ExceptHandler | ast.alias | ast.MatchAs) and (
        name := node.asname if isinstance(node, ast.alias) else node.name
    ):
        yield node.lineno, name


def test_names_are_words_of_the_field() -> None:
    # STYLE.md says why; docs/glossary.md has the words.
    beside = [
        path
        for folder in ("bench", ".ci", "tests", "tools", "src/almoner_client", "src/almoner_files")
        for path in (ROOT / folder).rglob("*.py")
        if ".venv" not in path.parts
    ]
    wrong = [
        f"{file}:{line}: {name}"
        for path in sorted([*SERVER.rglob("*.py"), *beside])
        if not (file := str(path.relative_to(ROOT)).removeprefix("src/almoner/")).startswith(
            "migrations/versions/"
        )
        for line, name in source_file(path).names
        if DIALECT.search(name.lower())
        # The name of a test is a sentence.
        and not name.startswith("test_")
        and not {name.lstrip("_"), f"{file}: {name}"} & NAMED_ELSEWHERE
    ]
    assert not wrong, (
        f"Words of DIALECT, which fit anything: {'; '.join(wrong)}. Name it by what it is"
        " (STYLE.md, Names; docs/glossary.md has the words)."
    )


def test_nothing_in_the_source_is_named_data_or_info() -> None:
    wrong = [
        f"{file}:{line}: {name}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for file in [str(path.relative_to(ROOT)).removeprefix("src/almoner/")]
        for line, name in source_file(path).names
        if name.strip("_") in VAGUE and f"{file}: {name}" not in VAGUE_ELSEWHERE
    ]
    assert not wrong, f"Name it by what it is (STYLE.md, Names): {'; '.join(wrong)}"


def test_the_glossary_has_each_word_once() -> None:
    rows = re.findall(r"^\| (?!word \|)([^|]+) \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    words = Counter(
        word.strip(" `") for row in rows for word in re.sub(r"\([^)]*\)", "", row).split(",")
    )
    twice = [word for word, number in words.items() if number > 1]
    assert len(words) > 100
    assert not twice, f"{', '.join(twice)}: one row says all that a word means here."


# What a template names: the variables of its loops, sets, macros and imports.
TEMPLATE_NAME = re.compile(
    r"{%-? *(?:for ([\w, ]+?) in |set ([\w, ]+?) *(?:=|%)|macro (\w+)\(([^)]*)\))"
    r"|\bimport (?:\"[^\"]+\" as )?([\w, ]+?) *(?:with context *)?%}"
)
# What a script names: its variables, functions and their parameters.
SCRIPT_NAME = re.compile(r"\b(?:const|let|function) +([\[{]?[\w, ]+)|\b(\w+) *=>|\(([\w, ]+)\) *=>")
# What pages, scripts and forms meet by: ids, data attributes and the names of fields.
ATTRIBUTE_NAME = re.compile(r"\b(?:id|name)=\"([a-z][\w-]*)\"|\b(data-[a-z][\w-]*)")
STYLE_NAME = re.compile(r"\.([a-z][\w-]*)")
NO_CODE = re.compile(r"/\*.*?\*/|\"[^\"\n]*\"", re.DOTALL)
NAMES = {".html": TEMPLATE_NAME, ".js": SCRIPT_NAME, ".css": STYLE_NAME}


def test_names_of_files_templates_scripts_and_styles_are_words_of_the_field() -> None:
    wrong = []
    for path in sorted(SERVER.rglob("*")):
        if path.suffix not in NAMES and path.suffix != ".py":
            continue
        file = str(path.relative_to(SERVER))
        names = [path.stem]
        # What others have written, as htmx, is named by them.
        if path.suffix in NAMES and "vendor" not in path.parts:
            text = path.read_text()
            code = text if path.suffix == ".html" else NO_CODE.sub("", text)
            words = (part for match in NAMES[path.suffix].findall(code) for part in match)
            names += re.findall(r"[\w-]+", re.sub(r"=[^,]*", "", " ".join(words)))
            names += [part for match in ATTRIBUTE_NAME.findall(text) for part in match if part]
        wrong += [
            f"{file}: {name}"
            for name in dict.fromkeys(names)
            if DIALECT.search(snake(name)) and f"{file}: {name}" not in NAMED_ELSEWHERE
        ]
    assert not wrong, (
        f"Words of DIALECT, which fit anything: {'; '.join(wrong)}. Name it by what it is"
        " (STYLE.md, Names; docs/glossary.md has the words)."
    )


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def test_nothing_is_left_for_later_and_no_test_is_left_out() -> None:
    # Put together, so that this file does not name what it looks for.
    later = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    left_out = re.compile(
        r"pytest\.(?:mark\.)?(?:sk" r"ip|skip" r"if|xf" r"ail|import" r"orskip)\b"
    )
    # What needs a program of Debian's asks for it there.
    asks = ROOT / "tests" / "debian.py"
    wrong = [
        str(path.relative_to(ROOT))
        for path, text in tracked()
        if path.suffix == ".py" and (later.search(text) or (left_out.search(text) and path != asks))
    ]
    assert not wrong, (
        f"{', '.join(wrong)} leave something for later, or a test out. Do it now, or say in the"
        " decision or the docs what is not done; a test that cannot run here is mended or removed."
    )


def test_the_cases_of_a_test_are_the_same_in_each_process_that_collects_them() -> None:
    # Several processes share the tests among them; each must find the same ones, by the same names.
    changing = re.compile(r"(time\.time|\bnow|today|uuid4|random|token_\w+|monotonic|\bset)$")
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}()"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for function in nodes_of(path, "parametrize", "params")
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
        if isinstance(node, ast.Call) and changing.search(name := ast.unparse(node.func))
    ]
    assert not wrong, (
        f"{'; '.join(wrong)}: another value in each process that collects the tests. Write a constant,"
        " or work it out inside of the test."
    )


def test_no_package_index_and_no_path_of_a_machine_is_written_down() -> None:
    index = re.compile(
        r"pythonhosted|npm"
        r"js\.org|py"
        r"pi\.org/simple|--(?:extra-)?index-url|--find-links|/simple/"
    )
    machine = re.compile(r"(?<![\w.$}-])/(?:root|work|home|Users)/[\w.]")
    wrong = []
    for path, text in tracked():
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if index.search(line) or machine.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong, (
        f"{'; '.join(wrong)}: of one machine or one registry. Say it by a path within the repository,"
        " or leave it out."
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_holds_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    package = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^\s/]+( ; [^/]+)? \\$")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?$")
    comment = re.compile(r"    +#((?!://).)*$")
    lines = lock.read_text().splitlines()
    assert [
        line
        for line in lines
        if not (package.match(line) or digest.match(line) or comment.match(line))
    ] == []
    assert sum(1 for line in lines if package.match(line)) > (
        0 if lock.name == "installer.lock" else 10
    )


def locked(name: str) -> dict[str, str]:
    """What a lock pins: the version and hashes of each package."""
    hashes: dict[str, str] = {}
    package = ""
    for line in (ROOT / name).read_text().splitlines():
        if not line.startswith((" ", "#")):
            package = line.partition("==")[0]
        if not line.lstrip().startswith("#"):
            hashes[package] = hashes.get(package, "") + line.strip(" \\")
    return hashes


def test_production_has_what_is_tested_and_nothing_to_test_or_build_with() -> None:
    everything, served = locked("requirements.lock"), locked("production.lock")
    assert {name for name in served if everything.get(name) != served[name]} == set()
    tools = {
        "pytest",
        "hypothesis",
        "schemathesis",
        "playwright",
        "mypy",
        "ruff",
        "hatchling",
        "python-multipart",
    }
    assert served.keys() & tools == set()
    assert {"starlette", "uvicorn", "asyncpg", "zxcvbn"} <= served.keys()
    assert set(locked("installer.lock")) == {"uv"}
    assert "--require-hashes -r installer.lock" in (ROOT / "Makefile").read_text()


def test_there_is_no_other_lock() -> None:
    assert not (ROOT / "uv.lock").exists()


def test_each_decision_has_a_number_of_its_own_and_says_it() -> None:
    numbers = []
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        number = int(path.name[:4])
        numbers.append(number)
        assert path.read_text().startswith(f"# {number}. "), path.name
    assert sorted(set(numbers)) == numbers


def test_each_class_of_a_distribution_has_a_name_of_its_own() -> None:
    """Who searches for it finds it. The client speaks of the same things as the server, to other
    people; what both are made with is in almoner_files.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for path in sources():
        package, *rest = path.relative_to(SOURCE).parts
        if package == "almoner_client" and rest[0] == "_sync":
            continue  # made of _async
        of = {"almoner", "almoner_client"} if package == "almoner_files" else {package}
        for node in nodes_of(path, "class"):
            if isinstance(node, ast.ClassDef):
                place = f"{path.relative_to(SOURCE)}:{node.lineno}"
                for distribution in of:
                    places.setdefault((distribution, node.name), []).append(place)
    twice = [f"{name}: {', '.join(at)}" for (_, name), at in places.items() if len(at) > 1]
    assert not twice, (
        f"{'; '.join(twice)}: more than one class of that name. Say in it what each is of."
    )


def test_no_two_classes_of_a_room_differ_by_an_underscore_alone() -> None:
    places: dict[tuple[str, str], list[str]] = {}
    for path in sorted(SERVER.rglob("*.py")):
        for name in source_file(path).classes:
            at = f"{path.relative_to(SERVER)}: {name}"
            places.setdefault((room(path), name.lstrip("_")), []).append(at)
    twice = [" and ".join(at) for at in places.values() if len(at) > 1]
    assert not twice, f"{'; '.join(twice)}: say in each what it is of."


def test_no_call_of_ours_has_more_than_five_values_without_a_name() -> None:
    # Two texts that changed places would pass every other check. What takes any number of values,
    # as a statement, may have them.
    files = {path: source_file(path) for path in sources()}
    functions = [function for file in files.values() for function in file.functions]
    ours = {name for file in files.values() for name in file.classes}
    ours |= {function.name for function in functions} | {"cls"}
    ours -= {function.name for function in functions if function.takes_any}
    # Of SQLAlchemy, of the loop that pages are served in, and of ctypes.
    ours -= {"Table", "Index", "Cycle", "_call"}
    wrong = [
        f"{path.relative_to(SOURCE)}:{line}: {called}"
        for path, file in files.items()
        for line, called in file.wide
        if called.rpartition(".")[2] in ours
    ]
    assert not wrong, (
        f"{'; '.join(wrong)}: more than five values without a name. Name those that could change"
        " places, or make one value of those that hang together."
    )


# Bodies that are no pages, and what is looked for in them is no word of the interface.
NO_PAGES = {
    "tests/contract/test_rules.py": "JSON, as the digits of its numbers are written",
    "tests/contract/test_later_edition.py": "JSON of the API",
    "tests/contract/test_every_resource.py": "JSON of the API",
    "tests/notifications/test_api.py": "JSON of the API",
    "tests/operations/test_answers.py": "the metrics, and JSON of the API",
    "tests/operations/test_waiting.py": "the metrics",
    "tests/operations/test_limits.py": "JSON of the API",
}


def test_words_of_the_interface_are_looked_up_by_role() -> None:
    tests = ROOT / "tests"
    places = {
        name: literals_
        for path in sorted(tests.rglob("*.py"))
        if (name := str(path.relative_to(ROOT))) not in NO_PAGES
        if (literals_ := list(literals.searched(path)))
    }
    assert not places, (
        f"Text that is looked for anywhere in a page: {places}. Look it up by its role, as"
        " Document(answer).alert() (tests/web/document.py; STYLE.md, Tests)."
    )


def test_what_a_test_misses_another_one_looks_up_in_the_same_way() -> None:
    # Else a word or a role that changes makes a check that cannot fail any more.
    tests = ROOT / "tests"
    # The lookups have tests of their own, of a page that nobody else sees.
    paths = sorted(set(tests.rglob("*.py")) - set((tests / "web").rglob("*.py")))
    present = {lookup for path in paths for lookup in literals.presences(path)}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {lookup}"
        for path in paths
        for line, lookup in literals.absences(path)
        if lookup not in present
    ]
    assert not wrong


def test_a_server_loads_nothing_that_only_other_commands_need() -> None:
    heavy = {"alembic", "sqlalchemy", "pgqueuer", "almoner_client", "httpx"}
    code = "import sys, almoner.commands.serve; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    ).stdout.split()
    assert heavy & set(loaded) == set()
