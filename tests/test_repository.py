"""The rules of the house that a machine can keep: where imports point, how long things are, what is written down."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tools import rooms
from tools.rooms import LAYERS, wrong_directions

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
SERVER = SOURCE / "almoner"
LOCKS = tuple(ROOT / name for name in ("requirements.lock", "production.lock", "installer.lock", "bench/peers/requirements.lock"))

LONGEST_FILE = 399
LONGEST_FUNCTION = 59

# The composition roots: they read settings, build the parts and wire them.
ROOTS = LAYERS[0].rooms - {"settings"}
# Settings are read by the roots and handed in everywhere else; the reference describes each of them.
KNOW_SETTINGS = ROOTS | {"settings", "reference"}
# Who looks at the process's environment: settings; the embedded server, for that of its programs; and the metrics, for
# the one variable that the Prometheus client reads by itself.
READ_ENVIRONMENT = {"settings.py", "embedded/programs.py", "operations/metrics.py"}


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
    """``almoner/data_api/find.py`` is in the room ``data_api``, ``almoner/errors.py`` is the room ``errors``."""
    return path.relative_to(SERVER).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The full names that a file imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("almoner.")}


def test_imports_point_one_way() -> None:
    """Down the layers of tools/rooms.py, of which docs/architecture.md has the picture."""
    assert wrong_directions() == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    names = {name for name, _ in rooms.modules()}
    imports = {
        module: {other if other in names else other.rpartition(".")[0] for other, _ in rooms.imported(path)} & names - {module}
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
        if room(path) not in ROOTS | {"embedded"} and "embedded" in rooms_imported(path)
    }
    assert not wrong


def test_only_the_composition_roots_and_the_reference_know_the_settings() -> None:
    wrong = {
        str(path.relative_to(SOURCE))
        for path in SERVER.rglob("*.py")
        if room(path) not in KNOW_SETTINGS and "settings" in rooms_imported(path)
    }
    assert not wrong


def test_only_settings_look_at_the_environment_of_the_process() -> None:
    wrong = {
        f"{path.relative_to(SERVER)}:{node.lineno}"
        for path in SERVER.rglob("*.py")
        if str(path.relative_to(SERVER)) not in READ_ENVIRONMENT and room(path) not in ROOTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv"}
    }
    assert not wrong


def test_one_place_says_how_a_server_is_run() -> None:
    # Whoever goes round it has none of the limits and none of the care with ``Upgrade`` that stand in it.
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*SERVER.rglob("*.py"), ROOT / "tests" / "conftest.py"]
        if path != SERVER / "server.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"uvicorn.Config", "uvicorn.run"}
    ]
    assert not wrong


def test_no_page_asks_for_an_address_that_the_caller_had_a_part_in() -> None:
    # Starlette puts ``request.url`` and its like together with the Host that was sent; ``Visit.here`` is the path alone.
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"url", "base_url", "url_for"}
        and ast.unparse(node.value).rpartition(".")[2] == "request"
    ]
    assert not wrong


def test_the_rules_are_of_what_there_is() -> None:
    rooms = {room(path) for path in SERVER.rglob("*.py")}
    assert (KNOW_SETTINGS | ROOTS) - rooms == set()
    assert [name for name in READ_ENVIRONMENT if not (SERVER / name).is_file()] == []


def test_the_receiver_stands_by_itself_but_for_how_assertions_are_checked() -> None:
    # It is there to be copied: whoever starts from it takes it out of this repository.
    names = {name for path in (SERVER / "receiver").rglob("*.py") for name in imported(path) if name.startswith("almoner.")}
    others = {name for name in names if not name.startswith("almoner.receiver.")}
    assert others == {"almoner.access.assertions", "almoner.access.assertions.GrantError"}


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in sources():
        text = path.read_text()
        if (lines := text.count("\n")) > LONGEST_FILE:
            long.append(f"{path.relative_to(SOURCE)} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if (lines := node.end_lineno - node.lineno + 1) > LONGEST_FUNCTION:
                    long.append(f"{path.relative_to(SOURCE)}: {node.name} has {lines} lines")
    assert not long


def test_no_file_is_named_after_nothing_in_particular() -> None:
    vague = re.compile(r"(^|_)(util|utils|helper|helpers|manager|managers|misc|common)($|_)")
    assert not [str(path.relative_to(SOURCE)) for path in sources() if vague.search(path.stem)]


def test_nothing_is_left_for_later_and_no_test_is_left_out() -> None:
    # Put together, so that this file does not name what it looks for.
    later = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    left_out = re.compile(r"pytest\.(?:mark\.)?(?:sk" r"ip|skip" r"if|xf" r"ail|import" r"orskip)\b")
    wrong = [
        str(path.relative_to(ROOT))
        for path, text in tracked()
        if path.suffix == ".py" and (later.search(text) or left_out.search(text))
    ]
    assert not wrong


def test_the_cases_of_a_test_are_the_same_in_each_process_that_collects_them() -> None:
    # Several processes share the tests among them; each must find the same ones, by the same names.
    changing = re.compile(r"(time\.time|\bnow|today|uuid4|random|token_\w+|monotonic|\bset)$")
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}()"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
        if isinstance(node, ast.Call) and changing.search(name := ast.unparse(node.func))
    ]
    assert not wrong


def test_no_package_index_and_no_path_of_a_machine_is_written_down() -> None:
    index = re.compile(r"pythonhosted|npm" r"js\.org|py" r"pi\.org/simple|--(?:extra-)?index-url|--find-links|/simple/")
    machine = re.compile(r"(?<![\w.$}-])/(?:root|work|home|Users)/[\w.]")
    wrong = []
    for path, text in tracked():
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if index.search(line) or machine.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not wrong


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_holds_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    package = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^\s/]+( ; [^/]+)? \\$")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?$")
    comment = re.compile(r"    +#((?!://).)*$")
    lines = lock.read_text().splitlines()
    assert [line for line in lines if not (package.match(line) or digest.match(line) or comment.match(line))] == []
    assert sum(1 for line in lines if package.match(line)) > (0 if lock.name == "installer.lock" else 10)


def locked(name: str) -> dict[str, str]:
    """What a lock pins: the version and hashes of each package."""
    found: dict[str, str] = {}
    package = ""
    for line in (ROOT / name).read_text().splitlines():
        if not line.startswith((" ", "#")):
            package = line.partition("==")[0]
        if not line.lstrip().startswith("#"):
            found[package] = found.get(package, "") + line.strip(" \\")
    return found


def test_production_has_what_is_tested_and_nothing_to_test_or_build_with() -> None:
    everything, served = locked("requirements.lock"), locked("production.lock")
    assert {name for name in served if everything.get(name) != served[name]} == set()
    tools = {"pytest", "hypothesis", "schemathesis", "playwright", "httpx", "mypy", "ruff", "hatchling", "python-multipart"}
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
    assert numbers == list(range(1, len(numbers) + 1))
