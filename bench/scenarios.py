"""The tables of the bench: what is asked (scenarios) and who is asked (servers). Adding one is one line."""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.bodies import WORD_CHARS

BASE = "bare"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One question put to every server of a list."""

    name: str
    title: str
    model: str
    stream: bool
    servers: tuple[str, ...]
    deltas: int = 200
    store: bool = False

    def body(self, model: str | None) -> bytes:
        """Return the request; `model` is the server's own, where it has one."""
        request = {"model": model or self.model, "input": "Count.", "store": self.store}
        return orjson.dumps(request | {"stream": True} if self.stream else request)

    @property
    def text_chars(self) -> int:
        """The exact length of a good reply's text."""
        return self.deltas * WORD_CHARS


@dataclass(frozen=True, slots=True)
class Server:
    """One contender: a command with the words `{port}`, `{upstream}` and `{folder}`, and where it answers."""

    name: str
    command: tuple[str, ...]
    path: str = "/v1/responses"
    model: str | None = None
    text_known: bool = True

    def argv(self, port: int, upstream_port: int, folder: Path) -> list[str]:
        """Return the command to run; what it keeps, it keeps in `folder`."""
        upstream = f"http://127.0.0.1:{upstream_port}/v1"
        return [word.format(port=port, upstream=upstream, folder=folder) for word in self.command]

    def exists(self) -> bool:
        """Say whether the program is installed."""
        return shutil.which(self.command[0]) is not None


PENSTOCK = str(Path(sys.executable).parent / "penstock")
BARE = (sys.executable, "-m", "bench.bare", "--port", "{port}")
SERVE = (PENSTOCK, "serve", "--port", "{port}", "--log-level", "warning")

UPSTREAM = (*SERVE, "--upstream", "{upstream}")
STORE = ("--store", "sqlite:///{folder}/penstock.db")

SERVERS = (
    Server("penstock", (*UPSTREAM, *STORE)),
    Server("penstock-memory", (*UPSTREAM, "--store", "memory://")),
    Server("penstock-synthetic", (*SERVE, *STORE), model="synthetic", text_known=False),
    Server("bare", BARE),
    Server("bare-each", (*BARE, "--sends", "each")),
)

WITHOUT_UPSTREAM = ("penstock-synthetic", "bare")
SCENARIOS = (
    Scenario("json", "JSON reply of 200 words", "json-200", False, ("penstock", *WITHOUT_UPSTREAM)),
    Scenario(
        "json-stored",
        "the same, stored (`penstock` in SQLite, a durable commit before each reply)",
        "json-200",
        False,
        ("penstock", "penstock-memory", "bare"),
        store=True,
    ),
    Scenario(
        "stream",
        "stream of 200 deltas, the upstream writes each on its own, as fast as it can",
        "stream-200",
        True,
        ("penstock", *WITHOUT_UPSTREAM, "bare-each"),
    ),
    Scenario(
        "stream-batched",
        "stream of 200 deltas, the upstream writes ten at a time",
        "stream-200x10",
        True,
        ("penstock", "bare", "bare-each"),
    ),
    Scenario(
        "stream-paced",
        "stream of 200 deltas, one every 5 ms (the pace bounds the rate: read the CPU columns)",
        "stream-200-5ms",
        True,
        ("penstock", "bare", "bare-each"),
    ),
)


def server_of(definition: str) -> Server:
    """Return the server that `NAME=COMMAND` defines; it takes part in every scenario."""
    name, _, command = definition.partition("=")
    if not name or not command:
        raise SystemExit(f"--server wants NAME=COMMAND, not {definition!r}")
    return Server(name, tuple(shlex.split(command)))
