"""What a deployment is made of, as CycloneDX 1.5: every distribution of ``production.lock`` with
its version, the hashes of what may be installed, and its licence where it is installed here. ``make
sbom`` writes it beside the wheel.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
_PINNED: Final = re.compile(
    r"^([\w.\-]+)(?:\[[\w,\-]+\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$"
)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SPDX: Final = re.compile(r"[A-Za-z0-9.\-+]+(?: (?:AND|OR|WITH) [A-Za-z0-9.\-+]+)*")


def bill(lock: str, version: str) -> dict[str, Any]:
    """The document, of the text of a lock with hashes; the same for the same lock."""
    components: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if pinned := _PINNED.match(line):
            components.append(_component(pinned[1], pinned[2], pinned[3]))
        elif digest := _HASH.search(line):
            components[-1]["hashes"].append({"alg": "SHA-256", "content": digest[1]})
    almoner = {
        "type": "application",
        "bom-ref": _purl("almoner", version),
        "name": "almoner",
        "version": version,
        "purl": _purl("almoner", version),
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, lock + version)}",
        "version": 1,
        "metadata": {"component": almoner},
        "components": components,
        "dependencies": [
            {"ref": almoner["bom-ref"], "dependsOn": [c["bom-ref"] for c in components]}
        ],
    }


def _component(name: str, version: str, marker: str | None) -> dict[str, Any]:
    purl = _purl(name, version)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [],
    }
    if licence := _licence(name):
        is_id = _SPDX.fullmatch(licence) is not None and " " not in licence
        component["licenses"] = [{"license": {"id" if is_id else "name": licence}}]
    if marker:
        # Where it is needed: on some systems or versions of Python alone.
        component["properties"] = [{"name": "almoner:marker", "value": marker}]
    return component


def _licence(name: str) -> str | None:
    """What the distribution says of itself; None where it is not installed here or says nothing."""
    try:
        fields = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in fields:
        return fields["License-Expression"]
    classes = [c for c in fields.get_all("Classifier") or () if c.startswith("License :: OSI")]
    return classes[0].rpartition(":: ")[2] if classes else None


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "production.lock").read_text(encoding="utf-8")
    target = ROOT / "dist" / f"almoner-{project['version']}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    document = json.dumps(bill(lock, project["version"]), indent=1)
    target.write_text(f"{document}\n", encoding="utf-8")
    sys.stdout.write(f"{target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
