"""Peers: servers of others that are compared with Penstock, how each is installed, and how it is started.

Each has a folder of its own in `.peers/`, which Git ignores. What cannot be installed is left out, with the reason.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import ROOT
from bench.servers import Server

FOLDER = ROOT / ".peers"
INSTALL_S = 900
MODELS = ("json-200", "stream-200-5ms", "stream-200x10", "stream-20")
"""The models that the comparison asks for: some peers want each of them in their configuration."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Peer:
    """A server of others."""

    server: Server
    program: Path
    """What the installation brings."""
    install: tuple[tuple[str, ...], ...]
    version: tuple[str, ...] = ()
    """The command that prints the version."""

    def absent_because(self, progress: Progress) -> str:
        """Install it where it is not installed; return why that fails, or nothing."""
        if self.program.exists():
            return ""
        progress(f"{self.server.name}: installing")
        for command in self.install:
            if not shutil.which(command[0]):
                return f"not installed: there is no {Path(command[0]).name} here"
            if fault := _fault_of(command):
                return f"not installed: {fault}"
        return "" if self.program.exists() else f"not installed: there is no {self.program.name} after it"

    def version_text(self) -> str:
        """Return its name and version, or its name alone."""
        if not self.version:
            return self.server.name
        ended = subprocess.run(self.version, capture_output=True, text=True, check=False)
        return f"{self.server.name} {ended.stdout.strip()}".strip()


def _fault_of(command: Sequence[str]) -> str:
    """Run a command of an installation; return its last words where it fails."""
    environment = os.environ | {"GOBIN": str(FOLDER / "go")}
    try:
        ended = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{Path(command[0]).name} takes longer than {INSTALL_S} s"
    lines = [line.strip() for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    return "" if ended.returncode == 0 else f"{Path(command[0]).name}: {lines[-1] if lines else ended.returncode}"


def _of_pypi(server: Server, requirement: str) -> Peer:
    """Return a peer that PyPI has, in a virtual environment of its own."""
    program = Path(server.command[0])
    folder = program.parent.parent
    venv = (sys.executable, "-m", "venv", "--clear", str(folder))
    python = str(folder / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
    name = requirement.partition("[")[0]
    version = (python, "-c", f"from importlib.metadata import version; print(version({name!r}))")
    return Peer(server, program, (venv, pip), version)


def _of_go(server: Server, package: str) -> Peer:
    """Return a peer that Go's module proxy has."""
    return Peer(server, Path(server.command[0]), (("go", "install", package),))


def _litellm_config(flags: str) -> str:
    entries = [
        f'- {{{{model_name: "{name}", litellm_params: {{{{model: "openai/{name}", '
        f'api_base: "{{upstream}}", api_key: none{flags}}}}}}}}}'
        for name in MODELS
    ]
    return "model_list:\n" + "\n".join(entries) + "\n"


LITELLM = str(FOLDER / "litellm" / "bin" / "litellm")
LITELLM_COMMAND = (LITELLM, "--config", "{folder}/config", "--host", "127.0.0.1", "--port", "{port}")
LITELLM_VARIABLES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOG": "ERROR",
}
AGENTIC_API = str(FOLDER / "agentic-api" / "bin" / "agentic-server")
GOMODEL = str(FOLDER / "go" / "gomodel")
BIFROST = str(FOLDER / "go" / "bifrost-http")
BIFROST_CONFIG = """\
{{"providers": {{"openai": {{"keys": [{{"name": "bench", "value": "none", "models": ["*"], "weight": 1}}],
 "network_config": {{"base_url": "{upstream_root}"}}}}}}}}
"""

PEERS = (
    _of_pypi(
        Server(
            "litellm",
            LITELLM_COMMAND,
            config=_litellm_config(", use_chat_completions_api: true"),
            environment=LITELLM_VARIABLES,
        ),
        "litellm[proxy]",
    ),
    _of_pypi(
        Server("litellm-relay", LITELLM_COMMAND, config=_litellm_config(""), environment=LITELLM_VARIABLES),
        "litellm[proxy]",
    ),
    _of_pypi(
        Server(
            "agentic-api",
            (
                *(AGENTIC_API, "--llm-api-base", "{upstream_root}", "--skip-llm-ready-check"),
                *("--gateway-host", "127.0.0.1", "--gateway-port", "{port}"),
            ),
            environment={"AGENTIC_API_HOME": "{folder}"},
        ),
        "agentic-api",
    ),
    _of_go(
        Server(
            "gomodel",
            (GOMODEL,),
            environment={"PORT": "{port}", "VLLM_BASE_URL": "{upstream}", "VLLM_MODELS": ",".join(MODELS)},
        ),
        "github.com/enterpilot/gomodel/cmd/gomodel@latest",
    ),
    _of_go(
        Server(
            "bifrost",
            (BIFROST, "-host", "127.0.0.1", "-port", "{port}", "-app-dir", "{folder}"),
            config=BIFROST_CONFIG,
            config_name="config.json",
            model_prefix="openai/",
        ),
        "github.com/maximhq/bifrost/transports/bifrost-http@latest",
    ),
)
