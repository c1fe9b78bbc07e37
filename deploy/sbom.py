"""The software bill of materials (SBOM) of a release, as CycloneDX 1.6, for the wheel's `dist-info/sboms/` (PEP 770).

It lists what `requirements.lock` pins, which is the server and its build, and who needs each package.
`python deploy/sbom.py` writes `deploy/penstock.cdx.json`; a test is red where that file is out of date. The same lock
gives the same bytes: there is no time and no random number in it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from penstock.version import VERSION

ROOT = Path(__file__).parents[1]
FILE = ROOT / "deploy" / "penstock.cdx.json"
_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+?))?(?: \\)?\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_VIA = re.compile(r"^ +#(?: via)? +([\w.-]+)", re.MULTILINE)


class Pinned(NamedTuple):
    """One package of the lock: its version, on which platforms it is installed, and who needs it."""

    name: str
    version: str
    marker: str | None
    needed_by: list[str]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def pinned(lock: str) -> Iterator[Pinned]:
    """The packages of a lock file, as `uv pip compile` writes it."""
    for name, version, marker, rest in _PIN.findall(lock):
        yield Pinned(name, version, marker or None, _VIA.findall(rest))


def sbom(project: dict[str, Any], lock: str) -> str:
    """The document."""
    packages = list(pinned(lock))
    own = f"pkg:pypi/{project['name']}@{VERSION}"
    component = {
        "type": "application",
        "bom-ref": own,
        "name": project["name"],
        "version": VERSION,
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": own,
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component},
        "components": [_component(package) for package in packages],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(package.purl for package in packages if name in package.needed_by)}
            for ref, name in [(own, project["name"]), *((package.purl, package.name) for package in packages)]
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def _component(package: Pinned) -> dict[str, Any]:
    properties = {"properties": [{"name": "penstock:marker", "value": package.marker}]} if package.marker else {}
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "scope": "required" if package.name == "msgspec" else "optional",  # the core needs msgspec alone
        "purl": package.purl,
        **properties,
    }


def current() -> str:
    """The document of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return sbom(project, (ROOT / "requirements.lock").read_text(encoding="utf-8"))


if __name__ == "__main__":
    FILE.write_text(current(), encoding="utf-8")
