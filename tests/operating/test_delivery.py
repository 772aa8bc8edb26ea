"""What is delivered: nothing of it is for tests, all of it is listed, and it starts from nothing where there is
no repository.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from packaging.requirements import Requirement

from almoner.settings import Settings
from tests import debian
from tests.additions.clone import demo
from tests.conftest import free_port
from tests.installed import ROOT, built, outside
from tests.operations.conftest import until_true
from tests.plain_http import PlainHttp
from tools import sbom
from tools.locked import pinned

LOCK: Final = (ROOT / "production.lock").read_text(encoding="utf-8")
# Imported by one command of developers alone, who have it.
_DEVELOPERS: Final = {"commands/reloading.py"}
# What the image of the test is built on, by its name in the store of this machine, with Python and its venv module.
_BASE: Final = "localhost/almoner-base"


def locked() -> dict[str, str]:
    """The versions of what is served, by name."""
    return {_name(r.name): str(r.specifier) for r in map(Requirement, pinned(LOCK))}


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_served_needs_nothing_that_is_there_for_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {_name(Requirement(r).name) for r in project["dependency-groups"]["dev"]}
    # `requests` is what traces are sent with.
    assert asked & locked().keys() == {"requests"}
    distributions = metadata.packages_distributions()
    missing = {}
    for path in (ROOT / "src").rglob("*.py"):
        place = str(path.relative_to(ROOT / "src")).removeprefix("almoner/")
        for name in _imported(path) - {"almoner", "almoner_client", "almoner_files"}:
            known = {_name(each) for each in distributions.get(name, [])}
            if name not in sys.stdlib_module_names and not known & locked().keys():
                missing[name] = place
    # Files in Parquet and copies of the client are written with what their extras bring.
    extras = {"pyarrow", "duckdb", "dlt", "alembic"}
    assert {n: p for n, p in missing.items() if n not in extras and p not in _DEVELOPERS} == {}


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_bill_of_materials_lists_each_distribution_with_its_hashes() -> None:
    document = sbom.bill(LOCK, "1.2.3")
    assert document == sbom.bill(LOCK, "1.2.3"), "the same lock has the same bill"
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    components = document["components"]
    assert {_name(c["name"]): f"=={c['version']}" for c in components} == locked()
    for component in components:
        assert component["purl"] == f"pkg:pypi/{_name(component['name'])}@{component['version']}"
        assert component["hashes"]
        assert all(re.fullmatch("[0-9a-f]{64}", h["content"]) for h in component["hashes"])
    references = [c["bom-ref"] for c in components]
    assert len({*references}) == len(references)
    licensed = sum("licenses" in c for c in components)
    assert licensed > len(components) / 2


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("delivery"))


@pytest.mark.slow
def test_the_wheel_has_what_an_operator_copies_from(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {
        f"almoner/operating/{path.relative_to(ROOT / 'operating')}"
        for path in (ROOT / "operating").rglob("*")
        if path.is_file()
    }
    assert ours <= names


@pytest.mark.slow
def test_the_demo_runs_by_pipx_from_nothing(wheel: Path, tmp_path: Path) -> None:
    pipx = debian.program("pipx", "pipx")
    home, port = str(tmp_path / "home"), str(free_port())
    values = outside(
        ALMONER_HOME=home,
        ALMONER_PORT=port,
        PIPX_HOME=str(tmp_path / "pipx"),
        PIPX_DEFAULT_PYTHON=sys.executable,
    )
    almoner = [pipx, "run", "--spec", f"{wheel}[locked]", "almoner"]
    subprocess.run(
        [*almoner, "--version"],
        env=values,
        cwd=tmp_path,
        check=True,
        timeout=900,
        capture_output=True,
    )
    with demo(almoner, tmp_path, values, patients=1) as site:
        assert site.command("--version") == "almoner 0.1.0\n"
        assert site.find("patients")


def _uv() -> str:
    """The uv that this repository installs its packages with, or one of the machine."""
    ours = ROOT / ".uv" / "bin" / "uv"
    return str(ours) if ours.exists() else debian.program("uv", "uv, from PyPI")


@pytest.mark.slow
def test_the_demo_runs_by_uv_from_nothing(wheel: Path, tmp_path: Path) -> None:
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    trusted = {"SSL_CERT_FILE": str(certificates)} if certificates.exists() else {}
    values = outside(
        ALMONER_HOME=str(tmp_path / "home"),
        ALMONER_PORT=str(free_port()),
        UV_TOOL_DIR=str(tmp_path / "tools"),
        UV_PYTHON=sys.executable,
        UV_PYTHON_DOWNLOADS="never",
        UV_NO_CONFIG="1",
        **trusted,
    )
    almoner = [_uv(), "tool", "run", "--from", f"{wheel}[locked]", "almoner"]
    asked = [*almoner, "--version"]
    subprocess.run(asked, env=values, cwd=tmp_path, check=True, timeout=900, capture_output=True)
    with demo(almoner, tmp_path, values, patients=1) as site:
        assert site.command("--version") == "almoner 0.1.0\n"
        assert site.find("patients")


@pytest.fixture(scope="module")
def image(wheel: Path) -> Iterator[list[str]]:
    """How a container of an image that was built of the Containerfile is run, but for its arguments.

    It is built without a network, on a base that the machine has: `podman import` of a Debian with python3-venv."""
    podman, buildah = (debian.program(name, name) for name in ("podman", "buildah"))
    runtime = debian.program("runc", "runc")
    debian.image(podman, _BASE)
    context = wheel.parent / "context"
    (context / "dist").mkdir(parents=True)
    for name in ("Containerfile", ".containerignore", "production.lock"):
        shutil.copy(ROOT / name, context)
    shutil.copy(wheel, context / "dist")
    download = ("pip", "download", "--quiet", "--no-deps", "--dest", str(context / "dist"))
    # The environment of the tests has no pip; what it fetches fits the Python of the tests, as the base's does.
    venv.create(wheel.parent / "pip", with_pip=True)
    command = [
        str(wheel.parent / "pip" / "bin" / "python"),
        "-m",
        *download,
        "--require-hashes",
        "-r",
        "production.lock",
    ]
    subprocess.run(command, cwd=context, check=True, timeout=900)
    build = [buildah, "build", "--isolation", "chroot", "--layers=false", "--tag", "almoner-test"]
    arguments = ["--build-arg", f"BASE={_BASE}", "--build-arg", "PIP_NO_INDEX=1"]
    built_image = subprocess.run(
        [*build, *arguments, "."],
        cwd=context,
        timeout=900,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built_image.returncode == 0, built_image.stderr + built_image.stdout
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    shut = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
    yield [podman, "--runtime", runtime, "run", "--rm", "--network=host", *limits, *shut]
    subprocess.run([podman, "rmi", "--force", "almoner-test"], check=False, capture_output=True)


@pytest.mark.slow
async def test_the_container_serves_with_a_root_that_is_read_only_and_no_rights(
    image: list[str], settings: Settings, tmp_path: Path
) -> None:
    def ran(*words: str) -> str:
        command = [*image, "--entrypoint=python3", "almoner-test", *words]
        output = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
        return output.stdout.strip()

    look = "import importlib.util as u, os; print(os.getuid(), u.find_spec('pytest'), u.find_spec('pip'))"
    assert ran("-c", look) == "10001 None None"
    home = tmp_path / "home"
    shutil.copytree(settings.home, home)
    for path in (home, *home.rglob("*")):
        shutil.chown(path, 10001, 10001)
    port = free_port()
    values = {
        "ALMONER_DATABASE_URL": settings.database_url,
        "ALMONER_HOST": "127.0.0.1",
        "ALMONER_PORT": str(port),
    }
    own = [word for name, value in values.items() for word in ("--env", f"{name}={value}")]
    command = [*image, *own, "--volume", f"{home}:/var/lib/almoner", "--name", f"almoner-{port}"]
    with _running([*command, "almoner-test", "serve", "--workers", "2"], tmp_path) as container:

        async def answers() -> bool:
            assert container.poll() is None, (tmp_path / "said").read_text()
            try:
                async with PlainHttp(base_url=f"http://127.0.0.1:{port}") as caller:
                    return (await caller.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until_true(answers, "the container serves", 120)
        container.terminate()
        assert container.wait(60) == 0


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[Any]]:
    with (folder / "said").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(60)
