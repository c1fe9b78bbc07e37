"""A real inference server that is not this project's: llama-cpp-python's, with a tiny random model.

Knows how to build it once, into `.venv-real` (minutes of compiling, with a C++ compiler and CMake at
hand) and how to start it. Never imports penstock.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENV = ROOT / ".venv-real"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
MODEL_SCRIPT = HERE / "tiny_gguf.py"

MODEL = "tiny"
CONTEXT_TOKENS = 1024
NO_END = {"2": -100}  # a logit_bias under which no answer ends by itself
START_S, STOP_S = 60.0, 10.0
READY = re.compile(r"Uvicorn running on (http://\S+)")


def build() -> Path:
    """The model file, once the venv beside it holds what serves it; cheap when nothing has changed."""
    stamp = VENV / f"installed-{_digest(REQUIREMENTS)}"
    if not stamp.exists():
        _run(sys.executable, "-m", "venv", "--clear", VENV)
        (VENV / ".gitignore").write_text("*\n")
        # Politely: compiling takes minutes, and the machine may be busy with something else.
        pip = (PYTHON, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check")
        _run("nice", "-n", "10", *pip, "install", "--requirement", REQUIREMENTS)
        stamp.touch()
    model = VENV / "cache" / f"tiny-{_digest(MODEL_SCRIPT)}.gguf"
    if not model.exists():
        model.parent.mkdir(exist_ok=True)
        draft = model.with_suffix(".draft")
        _run(PYTHON, MODEL_SCRIPT, draft)
        draft.rename(model)
    return model


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _run(*command: str | Path) -> None:
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{ran.stdout[-4000:]}")


class LlamaServer:
    """llama-cpp-python's server with the tiny model, its options otherwise as they come; a context."""

    def __init__(self) -> None:
        self.url = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by _stop
        self._process: subprocess.Popen[bytes] | None = None

    def log(self) -> str:
        # pread: the server writes at the very same file offset.
        size_bytes = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size_bytes, 0).decode(errors="replace")

    def __enter__(self) -> LlamaServer:
        try:
            self._process = self._start(build())
            self.url = f"{self._wait_until_ready(self._process)}/v1"
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, model: Path) -> subprocess.Popen[bytes]:
        # Port 0: the server takes a free one and prints it. Next to no environment: it could set any option.
        command: list[str | Path] = [
            PYTHON, "-m", "llama_cpp.server", "--model", model, "--model_alias", MODEL,
            "--host", "127.0.0.1", "--port", "0", "--n_ctx", str(CONTEXT_TOKENS), "--seed", "1",
            "--n_threads", "1", "--n_threads_batch", "1",
        ]  # fmt: skip
        env = {"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(command, cwd=VENV, env=env, stdout=self._log, stderr=subprocess.STDOUT)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and process.poll() is None:
            if ready := READY.search(self.log()):
                return ready[1]
            time.sleep(0.05)
        raise RuntimeError(f"the llama.cpp server did not start:\n{self.log()[-4000:]}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
