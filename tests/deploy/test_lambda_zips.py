"""The zips of `make lambda`: what is in them, how large they are, what their import costs, and that they answer."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

import penstock
from requirements import shows
from support import oracle, sse
from support.lambda_events import responses
from support.runtime_api import RuntimeApiServer
from support.server import ROOT
from support.upstream import ScriptedUpstream

pytestmark = pytest.mark.slow

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
MANAGED = "3.13"
"""The version that `make lambda` has by default."""
UNZIPPED_BYTES_MAX = 2_000_000
ZIPPED_BYTES_MAX = 1_500_000
CPU_RATIO_MAX = 2.5
TEXTS_MAX = 60
ROUNDS = 9
ABSENT = (
    *("starlette", "aiohttp", "httpx", "boto3", "botocore", "pydantic", "http.client", "sqlite3"),
    *("email", "http", "importlib.metadata", "tempfile", "tomllib", "zipfile"),
    *("penstock.endpoints.openapi_document", "penstock.endpoints.socket", "penstock_adapters.dynamodb"),
)
"""What the first request does not need, and what took a third of the time until its reply."""
MACHINES = {"x86_64": 62, "arm64": 183}
"""The numbers of architectures in ELF files."""
IS_SAME_MACHINE = os.uname().machine == "x86_64"


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all zips: of this Python, and of the default one if this machine has it."""
    folder = tmp_path_factory.mktemp("lambda")
    make = [sys.executable, str(ROOT / "deploy" / "aws" / "make_zips.py"), "--folder", str(folder), "--python"]
    subprocess.run([*make, HERE], check=True, capture_output=True)
    subprocess.run([*make, MANAGED, "--arch", "arm64"], check=False, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def function(zips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function of this Python, unpacked."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(zips / f"penstock-{HERE}-x86_64.zip") as source:
        source.extractall(folder)
    (folder / "bootstrap").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        yield running


def functions(zips: Path) -> list[Path]:
    return sorted(zips.glob("penstock-3*.zip"))


def names_of(zip_file: Path) -> list[str]:
    with zipfile.ZipFile(zip_file) as source:
        return source.namelist()


def run_python(program: str, folder: Path, *others: Path, **variables: str) -> str:
    """What a program prints that has the zip's packages alone."""
    path = os.pathsep.join(map(str, [folder, *others]))
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"], **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_there_is_one_for_each_architecture(zips: Path) -> None:
    made = {path.name for path in functions(zips)}
    assert {f"penstock-{HERE}-x86_64.zip", f"penstock-{HERE}-arm64.zip"} <= made
    for path in functions(zips):
        assert path.with_name(path.name.replace("penstock-", "penstock-seal-layer-")).exists()


def test_each_is_small(zips: Path) -> None:
    for path in functions(zips):
        assert path.stat().st_size < ZIPPED_BYTES_MAX
        with zipfile.ZipFile(path) as source:
            sizes = [each.file_size for each in source.infolist() if not each.filename.endswith(".so")]
        assert sum(sizes) < UNZIPPED_BYTES_MAX


def test_each_has_bytecode_and_no_sources(zips: Path) -> None:
    for path in [*functions(zips), *zips.glob("penstock-seal-*.zip")]:
        suffixes = {Path(name).suffix for name in names_of(path)}
        assert not suffixes & {".py", ".pyi", ".pyx", ".c"}, path.name
        assert ".pyc" in suffixes
        with zipfile.ZipFile(path) as source:
            flags = {source.read(name)[4:8] for name in source.namelist() if name.endswith(".pyc")}
        assert flags == {b"\x01\0\0\0"}, "bytecode must not be compared with a source"


def test_each_has_the_licences_of_its_libraries(zips: Path) -> None:
    for path in functions(zips):
        licences = {name.partition("-")[0] for name in names_of(path) if "/licenses/" in name}
        assert licences == {"httptools", "msgspec"}


def lines(code: CodeType) -> list[int | None]:
    """The line of each code unit, and those of the code within it."""
    found = [position[0] for position in code.co_positions()]
    for each in code.co_consts:
        found += lines(each) if isinstance(each, CodeType) else []
    return found


def test_the_short_tables_have_the_lines_of_the_compiler() -> None:
    with_short_lines = runpy.run_path(str(ROOT / "deploy" / "aws" / "compile_sources.py"))["with_short_lines"]
    for path in (ROOT / "core" / "penstock").rglob("*.py"):
        code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True, optimize=2)
        short = with_short_lines(code)
        assert lines(short) == lines(code), path.name
        assert len(short.co_linetable) <= len(code.co_linetable)
    assert lines(short)


def test_the_libraries_are_of_the_architecture_and_version(zips: Path) -> None:
    for path in [*functions(zips), *zips.glob("penstock-seal-*.zip")]:
        *_, version, arch = path.stem.split("-")
        with zipfile.ZipFile(path) as source:
            libraries = [name for name in source.namelist() if name.endswith(".so")]
            assert libraries
            for name in libraries:
                assert struct.unpack_from("<H", source.read(name), 18) == (MACHINES[arch],)
                assert f"cpython-{version.replace('.', '')}-" in name or ".abi3." in name, name


def test_bootstrap_is_executable_at_the_root(zips: Path) -> None:
    for path in functions(zips):
        with zipfile.ZipFile(path) as source:
            assert source.getinfo("bootstrap").external_attr >> 16 & 0o777 == 0o755


def test_equal_inputs_make_equal_bytes(zips: Path, tmp_path: Path) -> None:
    make = [sys.executable, str(ROOT / "deploy" / "aws" / "make_zips.py"), "--arch", "arm64", "--python", HERE]
    subprocess.run([*make, "--folder", str(tmp_path)], check=True, capture_output=True)
    for name in (f"penstock-{HERE}-arm64.zip", f"penstock-seal-layer-{HERE}-arm64.zip"):
        assert (tmp_path / name).read_bytes() == (zips / name).read_bytes()


def test_a_version_that_is_not_here_is_named(tmp_path: Path) -> None:
    make = [sys.executable, str(ROOT / "deploy" / "aws" / "make_zips.py"), "--folder", str(tmp_path)]
    run = subprocess.run([*make, "--python", "3.99"], capture_output=True, text=True, check=False)
    assert (run.returncode, "there is no Python 3.99" in run.stderr) == (1, True)


@pytest.mark.skipif(not IS_SAME_MACHINE, reason="the libraries are of another architecture")
class TestUnpacked:
    """The function of this Python, in a process that has nothing else."""

    @shows("lean-imports")
    def test_nothing_heavy_is_imported_until_the_first_reply(self, function: Path, upstream: ScriptedUpstream) -> None:
        program = "import sys\nfrom penstock_adapters.aws_lambda.runtime import Function, function_settings\n"
        program += "function = Function(function_settings())\n"
        program += f"assert function.answer({responses(model='text')!r}, None)['statusCode'] == 200\n"
        program += f"print([name for name in {ABSENT!r} if name in sys.modules])\n"
        variables = {"PENSTOCK_ALLOW_ANONYMOUS": "true", "PENSTOCK_UPSTREAM": upstream.url, "PENSTOCK_MODEL": "any"}
        assert run_python(program, function, **variables).strip() == "[]"

    def test_few_annotations_are_evaluated_as_texts(self, function: Path, upstream: ScriptedUpstream) -> None:
        """Each takes 30 us, as msgspec does it: structs that are decoded early have real types."""
        program = "import msgspec._utils as utils\nevaluated, real = [], utils._forward_ref\n"
        program += "utils._forward_ref = lambda text: evaluated.append(text) or real(text)\n"
        program += "from penstock_adapters.aws_lambda import handler\n"
        program += f"assert handler({responses(model='text')!r}, None)['statusCode'] == 200\nprint(len(evaluated))"
        variables = {"PENSTOCK_ALLOW_ANONYMOUS": "true", "PENSTOCK_UPSTREAM": upstream.url, "PENSTOCK_MODEL": "any"}
        assert 0 < int(run_python(program, function, **variables)) < TEXTS_MAX

    def test_the_import_costs_little(self, function: Path) -> None:
        """Interleaved, and the best of several: other programs only make it slower."""
        measure = (
            "import resource\n%s\nused = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_utime + used.ru_stime)"
        )
        programs = ("pass", "import msgspec, asyncio", "import penstock_adapters.aws_lambda")
        best = dict.fromkeys(programs, 99.0)
        for _ in range(ROUNDS):
            for program in programs:
                best[program] = min(best[program], float(run_python(measure % program, function)))
        bare, base, ours = best.values()
        assert ours - bare <= CPU_RATIO_MAX * (base - bare)

    def test_bootstrap_streams_a_response(self, function: Path, upstream: ScriptedUpstream) -> None:
        api = RuntimeApiServer()
        variables = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": str(function),
            "PENSTOCK_ALLOW_ANONYMOUS": "true",
            "PENSTOCK_UPSTREAM": upstream.url,
            "PENSTOCK_MODEL": "any",
            "PATH": "/usr/bin:/bin",
        }
        process = subprocess.Popen([str(function / "bootstrap"), sys.executable], env=variables, cwd="/")
        try:
            with api.running():
                posted = api.answer(responses(stream=True, model="text"))
            assert process.wait(30) == 1  # there is no Runtime API any more
        finally:
            process.kill()
            process.wait()
        assert oracle.check_stream(sse.events(posted.streamed))["status"] == "completed"

    def test_the_handler_of_a_managed_runtime_answers(self, function: Path, upstream: ScriptedUpstream) -> None:
        program = "import json\nfrom penstock_adapters.aws_lambda import handler\n"
        program += f"print(json.dumps(handler({responses(model='text')!r}, None)))"
        variables = {"PENSTOCK_ALLOW_ANONYMOUS": "true", "PENSTOCK_UPSTREAM": upstream.url, "PENSTOCK_MODEL": "any"}
        result = json.loads(run_python(program, function, **variables))
        assert result["statusCode"] == 200
        assert oracle.check_response(json.loads(result["body"]))["status"] == "completed"

    def test_the_version_is_known(self, function: Path) -> None:
        assert run_python("import penstock; print(penstock.__version__)", function).strip() == penstock.__version__

    @pytest.mark.parametrize(
        ("variables", "problem"),
        [
            ({}, "without the synthetic model: set PENSTOCK_UPSTREAM"),
            ({"PENSTOCK_UPSTREAM": "http://a/v1", "PENSTOCK_STORE": "sqlite:////tmp/x.db"}, "without SQLite"),
            ({"PENSTOCK_UPSTREAM": "http://a/v1", "PENSTOCK_STORE": "memory://"}, "without a store in memory"),
            ({"PENSTOCK_UPSTREAM": "http://a/v1", "PENSTOCK_SEARCH": "searxng:http://a"}, "without web search"),
            ({"PENSTOCK_UPSTREAM": "http://a/v1", "PENSTOCK_STORE": "redis://a"}, "redis is not installed"),
            ({"PENSTOCK_UPSTREAM": "http://a/v1", "PENSTOCK_SEAL_KEYS": "A" * 43}, "cryptography is not installed"),
        ],
    )
    def test_what_is_left_out_is_named(self, function: Path, variables: dict[str, str], problem: str) -> None:
        program = "from penstock_adapters.aws_lambda.function import Function, function_settings\n"
        program += "from penstock.settings import SettingsError\n"
        program += "try:\n    Function(function_settings())\nexcept SettingsError as error:\n    print(error)"
        assert problem in run_python(program, function, PENSTOCK_ALLOW_ANONYMOUS="true", **variables)

    def test_the_layer_seals(self, function: Path, zips: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(zips / f"penstock-seal-layer-{HERE}-x86_64.zip") as source:
            source.extractall(tmp_path)
        program = "from penstock_adapters.cryptography import AeadSealer\nsealer = AeadSealer([])\n"
        program += "blob = sealer.seal('k', 'o', b'text')\nprint(sealer.open('k', 'o', blob))"
        assert run_python(program, function, tmp_path / "python").strip() == "b'text'"


def test_make_takes_a_version_and_an_architecture() -> None:
    make = shutil.which("make")
    assert make is not None
    run = subprocess.run(
        [make, "-n", "lambda", "LAMBDA_PYTHON=3.12", "LAMBDA_ARCH=arm64"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "make_zips.py --python 3.12 --arch arm64" in run.stdout
