"""The table of the servers that are asked, and how the command line adds to it. Adding one is one line.

A server is a command. What it writes to disk is in a folder of its own, which is gone when the bench ends.
"""

import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from os import pathsep
from pathlib import Path

from bench.load import loopback

LOAD = "bench.load"
WEBSOCKET_LOAD = "bench.turns"
"""The modules of the clients that servers are loaded with."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the words in braces mean in a command, a configuration and an environment variable."""

    port: int
    upstream_port: int
    folder: Path

    def fill(self, text: str) -> str:
        """Return the text with its words filled in."""
        root = f"http://127.0.0.1:{self.upstream_port}"
        return text.format(port=self.port, folder=self.folder, upstream=f"{root}/v1", upstream_root=root)


@dataclass(frozen=True, slots=True)
class Server:
    """One contender: a command with `{port}`, `{upstream}`, `{upstream_root}` and `{folder}`, and where it answers."""

    name: str
    command: tuple[str, ...]
    path: str = "/v1/responses"
    model: str | None = None
    model_prefix: str = ""
    text_known: bool = True
    config: str = ""
    config_name: str = "config"
    client: str = LOAD
    source: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    running_at: int | None = None
    """The port of a server that runs already: it is not started, and its process is not known."""

    def argv(self, words: Words) -> list[str]:
        """Return the command to run; its configuration and all that it writes are in the folder."""
        if self.config:
            (words.folder / self.config_name).write_text(words.fill(self.config), encoding="utf-8")
        return [words.fill(word) for word in self.command]

    def variables(self, words: Words) -> dict[str, str]:
        """Return its environment variables, among them where Python finds the code of another checkout."""
        roots = [self.source / "core", self.source / "adapters"] if self.source else []
        found = {name: words.fill(text) for name, text in self.environment.items()}
        return found | ({"PYTHONPATH": pathsep.join(map(str, roots))} if roots else {})

    def model_for(self, name: str) -> str:
        """Return what the model of that name is called by this server."""
        return self.model or f"{self.model_prefix}{name}"

    def exists(self) -> bool:
        """Return whether the program is installed."""
        return self.running_at is not None or shutil.which(self.command[0]) is not None


PENSTOCK = str(Path(sys.executable).parent / "penstock")
BARE = (sys.executable, "-m", "bench.bare", "--port", "{port}")
BARE_PACED = (sys.executable, "-m", "bench.bare_paced", "--port", "{port}")
UPSTREAM_ITSELF = (sys.executable, "-m", "bench.upstream", "--port", "{port}")
TCP_RELAY = (sys.executable, "-m", "bench.relay", "--port", "{port}", "--upstream", "{upstream}")
SERVE = (PENSTOCK, "serve", "--port", "{port}", "--log-level", "warning")

UPSTREAM = (*SERVE, "--upstream", "{upstream}")
NO_STORE = ("--store", "none://")
SQLITE = ("--store", "sqlite:///{folder}/penstock.db")
CONFIG = ("--config", "{folder}/config")

RELAYING = """\
[[upstreams]]
name = "bench"
url = "{upstream}"
dialect = "responses"
"""

SERVERS = (
    Server("bare", BARE),
    Server("bare-each", (*BARE, "--sends", "each")),
    Server("bare-paced", BARE_PACED),
    Server("tcp-relay", TCP_RELAY),
    Server("upstream-itself", UPSTREAM_ITSELF),
    Server("penstock", (*UPSTREAM, *NO_STORE)),
    Server("penstock-unseen", (*UPSTREAM, *NO_STORE), environment={"PENSTOCK_METRICS": "false"}),
    Server("penstock-seen", (*UPSTREAM, *NO_STORE, "--log-level", "info")),
    Server("penstock-websocket", (*UPSTREAM, *NO_STORE), client=WEBSOCKET_LOAD),
    Server("penstock-sqlite", (*UPSTREAM, *SQLITE)),
    Server("penstock-memory", (*UPSTREAM, "--store", "memory://")),
    Server("penstock-relay", (*SERVE, *CONFIG, *NO_STORE), config=RELAYING),
    Server("penstock-synthetic", (*SERVE, *NO_STORE), model="synthetic", text_known=False),
    Server("penstock-2000-tokens", (*SERVE, *NO_STORE), model="synthetic?tokens=2000", text_known=False),
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """Another tree of Penstock's source. Its code is run by this tree's Python, with this tree's packages."""

    name: str
    path: Path

    def of(self, server: Server) -> Server:
        """Return the same server by the code of the checkout."""
        return replace(server, name=f"{server.name}@{self.name}", source=self.path)


def with_checkouts(servers: Iterable[Server], checkouts: Iterable[Checkout]) -> Iterator[Server]:
    """Yield each server, and behind each that is Penstock the same by each checkout."""
    checkouts = list(checkouts)
    for server in servers:
        yield server
        if server.command[0] == PENSTOCK:
            yield from (checkout.of(server) for checkout in checkouts)


def server_of(definition: str) -> Server:
    """Return the server that `NAME=COMMAND` defines; it takes part in every scenario."""
    name, command = _pair(definition, "--server", "COMMAND")
    return Server(name, tuple(shlex.split(command)))


def server_at(definition: str) -> Server:
    """Return the server that runs already where `NAME=URL` states."""
    name, url = _pair(definition, "--url", "URL")
    _, port, path = loopback(url)
    return Server(name, (), path=path if path != "/" else "/v1/responses", running_at=port)


def checkout_of(definition: str) -> Checkout:
    """Return the checkout that `NAME=PATH` names."""
    name, path = _pair(definition, "--checkout", "PATH")
    if not (Path(path) / "core" / "penstock").is_dir():
        raise SystemExit(f"--checkout: {path!r} has no folder core/penstock")
    return Checkout(name, Path(path).resolve())


def _pair(definition: str, option: str, value: str) -> tuple[str, str]:
    name, _, text = definition.partition("=")
    if not name or not text:
        raise SystemExit(f"{option} wants NAME={value}, not {definition!r}")
    return name, text
