"""Cold starts of AWS Lambda functions, without AWS: `python -m bench.cold_starts [--rounds 9] [--write]`.

A small Runtime API hands an event to each function as soon as its process asks for one, and notes when the first byte
of the reply's body arrives. Contenders take turns, so that all of them have the same noise. Penstock's function is that
of `make lambda`, unpacked, and calls a fake upstream, as LiteLLM does; the others reply at once. Each function has its
own packages, in `.peers`: as in Lambda, the interpreter has nothing but AWS' client of the Runtime API.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import today
from bench.peers import LITELLM_VARIABLES, PEERS
from bench.processes import ROOT, free_port
from bench.runtime_api import RuntimeApi, event_for

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
FOLDER = ROOT / ".peers" / "lambda"
RESULTS = ROOT / "bench" / "results" / "aws-lambda"
CLIENT = "awslambdaric"
PACKAGES = {
    "powertools_hello": ("aws-lambda-powertools",),
    "mangum_hello": ("mangum", "fastapi"),
}
FIRST_S = 180.0
TOKENS, INTERVAL_MS = 20, 50
PACED = 5
HELLO = {
    "mangum_hello": (
        "from fastapi import FastAPI\nfrom mangum import Mangum\napp = FastAPI()\n"
        "@app.post('/v1/responses')\nasync def hello(): return {'hello': 'world'}\n"
        "handler = Mangum(app, lifespan='off')\n"
    ),
    "powertools_hello": (
        "from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver\napp = LambdaFunctionUrlResolver()\n"
        "@app.post('/v1/responses')\ndef hello(): return {'hello': 'world'}\n"
        "def handler(event, context): return app.resolve(event, context)\n"
    ),
}
LITELLM = """\
model_list:
- model_name: json-20
  litellm_params: {{model: openai/json-20, api_base: "http://127.0.0.1:{upstream}/v1", api_key: x,
    use_chat_completions_api: true}}
"""
IMPORTS = {
    "nothing": "pass",
    "msgspec and asyncio": "import msgspec, asyncio",
    "the function": "import penstock_adapters.aws_lambda",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A function: its name, its command, and the folders of its packages, its own first."""

    name: str
    command: tuple[str, ...]
    folders: tuple[Path, ...]


def prepare() -> tuple[Path, list[Contender]]:
    """Make and install what the contenders need. Returns the folder of Penstock's function, and the contenders."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        venv.create(FOLDER, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", CLIENT], check=True)
    for name, packages in PACKAGES.items():
        if not (FOLDER / name).exists():
            install = [str(python), "-m", "pip", "install", "--quiet", "--target", str(FOLDER / name), *packages]
            subprocess.run(install, check=True)
    for name, source in HELLO.items():
        (FOLDER / name / f"{name}.py").write_text(source, "utf-8")
    make = [sys.executable, str(ROOT / "deploy" / "aws" / "make_zips.py"), "--python", VERSION]
    subprocess.run([*make, "--folder", str(FOLDER / "zips")], check=True, stdout=subprocess.DEVNULL)
    function = FOLDER / "function"
    with zipfile.ZipFile(FOLDER / "zips" / f"penstock-{VERSION}-x86_64.zip") as source_zip:
        source_zip.extractall(function)
    (function / "bootstrap").chmod(0o755)
    classic = (str(python), "-m", "awslambdaric")
    return function, [
        Contender("Penstock, streaming runtime", (str(function / "bootstrap"), str(python)), (function,)),
        Contender("Penstock, handler", (*classic, "penstock_adapters.aws_lambda.handler"), (function,)),
        Contender("Powertools, hello", (*classic, "powertools_hello.handler"), (FOLDER / "powertools_hello",)),
        Contender("Mangum and FastAPI, hello", (*classic, "mangum_hello.handler"), (FOLDER / "mangum_hello",)),
        Contender("LiteLLM, handler", (*classic, "litellm.proxy.lambda.handler"), (litellm(), FOLDER / "mangum_hello")),
    ]


def litellm() -> Path:
    """The folder of LiteLLM's packages, that of `make compare`. Ends the program where they cannot be installed."""
    peer = next(peer for peer in PEERS if peer.server.name == "litellm")
    if fault := peer.absent_because(print):
        sys.exit(f"LiteLLM is {fault}")
    return next(peer.program.parents[1].glob("lib/python3*/site-packages"))


@contextlib.contextmanager
def started(contender: Contender, port: int, upstream: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a function."""
    task = str(contender.folders[0])
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, contender.folders)),
        "LAMBDA_TASK_ROOT": task,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_LOG_GROUP_NAME": "x",
        "AWS_LAMBDA_LOG_STREAM_NAME": "x",
        "AWS_REGION": "eu-west-1",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "PENSTOCK_ALLOW_ANONYMOUS": "true",
        "PENSTOCK_LOG_LEVEL": "error",
        "PENSTOCK_UPSTREAM": f"http://127.0.0.1:{upstream}/v1",
        "CONFIG_FILE_PATH": str(FOLDER / "litellm.yaml"),
        "HOME": str(FOLDER),
        **LITELLM_VARIABLES,
    }
    process = subprocess.Popen(contender.command, env=env, cwd=task, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def cpu_s(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def start_once(contender: Contender, upstream: int) -> tuple[float, float]:
    """The milliseconds from a process to the first byte of its first reply, and its CPU until then."""
    api = RuntimeApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await api.events.put(event_for("json-20", stream=contender.name.endswith("runtime")))
    begun = time.perf_counter()
    with started(contender, port, upstream) as process:
        posted = await asyncio.wait_for(api.posted.get(), FIRST_S)
        used = cpu_s(process.pid)
    server.close()
    return (posted.first_s - begun) * 1000, used * 1000


async def paced(contender: Contender, upstream: int) -> tuple[float, float]:
    """Of a paced reply of a warm function: the milliseconds to the first byte of its body, and to the last."""
    api = RuntimeApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with started(contender, port, upstream):
        await api.events.put(event_for("json-20", stream=False))
        await asyncio.wait_for(api.posted.get(), FIRST_S)
        begun = time.perf_counter()
        await api.events.put(event_for(f"stream-{TOKENS}-{INTERVAL_MS}ms", stream=True))
        posted = await asyncio.wait_for(api.posted.get(), FIRST_S)
    server.close()
    return (posted.first_s - begun) * 1000, (posted.last_s - begun) * 1000


def import_ms(function: Path, rounds: int) -> dict[str, float]:
    """The CPU of imports over that of an empty program, the least of all rounds."""
    measure = (
        "import resource\n%s\nused = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_utime + used.ru_stime)"
    )
    best = dict.fromkeys(IMPORTS, 1e9)
    for _ in range(rounds):
        for name, program in IMPORTS.items():
            run = subprocess.run(
                [FOLDER / "bin" / "python", "-S", "-c", measure % program],
                env={"PYTHONPATH": str(function)},
                capture_output=True,
                text=True,
                check=True,
            )
            best[name] = min(best[name], float(run.stdout) * 1000)
    return {name: value - best["nothing"] for name, value in best.items() if name != "nothing"}


def sizes(folder: Path) -> dict[str, int]:
    """The bytes of each zip, and of what is in it besides libraries."""
    found: dict[str, int] = {}
    for path in sorted((folder / "zips").glob("*.zip")):
        with zipfile.ZipFile(path) as source:
            plain = sum(each.file_size for each in source.infolist() if not each.filename.endswith(".so"))
        found |= {path.name: path.stat().st_size, f"{path.name}, unzipped without libraries": plain}
    return found


Columns = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one run. Times are medians."""

    python: str
    rounds: int
    starts: Columns
    replies: Columns
    imports: dict[str, float]
    sizes: dict[str, int]


async def times(contenders: list[Contender], upstream: int, rounds: int) -> tuple[Columns, Columns]:
    """The medians of starts, and of paced replies of Penstock's functions."""
    starts: dict[str, list[tuple[float, float]]] = {each.name: [] for each in contenders}
    for _ in range(rounds):
        for each in contenders:
            starts[each.name].append(await start_once(each, upstream))
    replies = {each.name: [await paced(each, upstream) for _ in range(PACED)] for each in contenders[:2]}
    return medians(starts), medians(replies)


def wait_for(port: int) -> None:
    """Wait until a program listens."""
    end = time.monotonic() + FIRST_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


def medians(rows: dict[str, list[tuple[float, float]]]) -> Columns:
    """The median of each column."""
    return {
        name: (statistics.median(first for first, _ in each), statistics.median(last for _, last in each))
        for name, each in rows.items()
    }


def measure(rounds: int) -> Figures:
    """Measure everything."""
    function, contenders = prepare()
    upstream = free_port()
    (FOLDER / "litellm.yaml").write_text(LITELLM.format(upstream=upstream), "utf-8")
    command = [sys.executable, "-m", "bench.upstream", "--port", str(upstream)]
    with subprocess.Popen(command, cwd=ROOT) as child:
        try:
            wait_for(upstream)
            starts, replies = asyncio.run(times(contenders, upstream, rounds))
        finally:
            child.terminate()
    python = sys.version.split()[0]
    return Figures(python, rounds, starts, replies, import_ms(function, rounds), sizes(FOLDER))


def page(figures: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        "# Cold starts of AWS Lambda functions",
        "",
        f"Python {figures.python}, medians of {figures.rounds} interleaved rounds on a shared machine: compare",
        "the rows, not the milliseconds. `python -m bench.cold_starts --write` makes this page.",
        "",
        "Penstock's functions and LiteLLM's ask a fake upstream for a reply of 20 words and translate it; the others",
        "return a text.",
    ]
    tables = (
        (("function", "process to first byte, ms", "CPU until then, ms"), _rows(figures.starts)),
        (
            (
                f"reply of {TOKENS} tokens, one every {INTERVAL_MS} ms, warm",
                "first byte of the body, ms",
                "last byte, ms",
            ),
            _rows(figures.replies),
        ),
        (("import", "CPU over an empty program, ms"), [(name, f"{ms:.0f}") for name, ms in figures.imports.items()]),
        (("zip", "bytes"), [(name, f"{size:,}") for name, size in figures.sizes.items()]),
    )
    for header, rows in tables:
        lines += ["", _row(header), _row(["---"] * len(header)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _rows(columns: Columns) -> list[tuple[str, ...]]:
    return [(name, f"{first:.0f}", f"{last:.0f}") for name, (first, last) in columns.items()]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] = sys.argv[1:]) -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.cold_starts", description="Measure cold starts of functions."
    )
    parser.add_argument("--rounds", type=int, default=9, help="how often each function is started")
    parser.add_argument("--write", action="store_true", help=f"store the figures in {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args(argv)
    figures = measure(given.rounds)
    print(page(figures))
    if given.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{today()}.json").write_text(json.dumps(asdict(figures), indent=2) + "\n", "utf-8")
        (RESULTS / f"{today()}.md").write_text(page(figures), "utf-8")


if __name__ == "__main__":
    main()
