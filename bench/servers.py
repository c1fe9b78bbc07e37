"""The table of the servers that are asked, and how the command line adds to it. Adding one is one line.

A server is a command. What it writes to disk is in a folder of its own, which is gone when the bench ends.
"""

import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from os import pathsep
from pathlib import Path

LOAD = "bench.load"
WEBSOCKET_LOAD = "bench.turns"
"""The modules of the clients that servers are loaded with."""


@dataclass(frozen=True, slots=True)
class Server:
    """One contender: a command with the words `{port}`, `{upstream}` and `{folder}`, and where it answers."""

    name: str
    command: tuple[str, ...]
    path: str = "/v1/responses"
    model: str | None = None
    text_known: bool = True
    config: str = ""
    client: str = LOAD
    source: Path | None = None

    def argv(self, port: int, upstream_port: int, folder: Path) -> list[str]:
        """Return the command to run; its configuration and all that it writes are in `folder`."""
        words = {"port": port, "upstream": f"http://127.0.0.1:{upstream_port}/v1", "folder": folder}
        if self.config:
            (folder / "penstock.toml").write_text(self.config.format(**words), encoding="utf-8")
        return [word.format(**words) for word in self.command]

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of its process: where Python finds the code of another checkout."""
        roots = [self.source / "core", self.source / "adapters"] if self.source else []
        return {"PYTHONPATH": pathsep.join(map(str, roots))} if roots else {}

    def exists(self) -> bool:
        """Say whether the program is installed."""
        return shutil.which(self.command[0]) is not None


PENSTOCK = str(Path(sys.executable).parent / "penstock")
BARE = (sys.executable, "-m", "bench.bare", "--port", "{port}")
UPSTREAM_ITSELF = (sys.executable, "-m", "bench.upstream", "--port", "{port}")
TCP_RELAY = (sys.executable, "-m", "bench.relay", "--port", "{port}", "--upstream", "{upstream}")
SERVE = (PENSTOCK, "serve", "--port", "{port}", "--log-level", "warning")

UPSTREAM = (*SERVE, "--upstream", "{upstream}")
NO_STORE = ("--store", "none://")
SQLITE = ("--store", "sqlite:///{folder}/penstock.db")
CONFIG = ("--config", "{folder}/penstock.toml")

RELAYING = """\
[[upstreams]]
name = "bench"
url = "{upstream}"
dialect = "responses"
"""

SERVERS = (
    Server("bare", BARE),
    Server("bare-each", (*BARE, "--sends", "each")),
    Server("tcp-relay", TCP_RELAY),
    Server("upstream-itself", UPSTREAM_ITSELF),
    Server("penstock", (*UPSTREAM, *NO_STORE)),
    Server("penstock-websocket", (*UPSTREAM, *NO_STORE), client=WEBSOCKET_LOAD),
    Server("penstock-sqlite", (*UPSTREAM, *SQLITE)),
    Server("penstock-memory", (*UPSTREAM, "--store", "memory://")),
    Server("penstock-relay", (*SERVE, *CONFIG, *NO_STORE), config=RELAYING),
    Server("penstock-synthetic", (*SERVE, *NO_STORE), model="synthetic", text_known=False),
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
