"""Child processes of the bench: start, pin to a core, read CPU time and memory, end. Linux (`/proc`) only.

Every child leads a session of its own, so that its workers are found and ended with it, and nothing else is.
A child dies with the bench, even when the bench is killed.
"""

import contextlib
import ctypes
import math
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 180.0
"""Some servers of others need a minute on a busy machine."""
END_TIMEOUT_S = 5.0
POLL_S = 0.005
PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2
"""The clock of a process that counts what its threads ran, in nanoseconds: Linux' number for it."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None)
NO_VARIABLES: Mapping[str, str] = {}


class StartError(Exception):
    """A server did not come up; the text states why."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running server of ours."""

    pid: int
    port: int

    def cpu_s(self) -> float:
        """Return user plus system seconds of the process and its workers, their ended threads and children too.

        The CPU clock of a process counts nanoseconds: the sum of its `/proc/<pid>/task/*/schedstat`, and what threads
        that have ended ran, which is no longer there. Only children that have ended are counted in ticks of 10 ms.
        """
        stats = _session_stats(self.pid)
        children_s = sum(int(ticks) for fields in stats.values() for ticks in fields[13:15]) / TICKS_PER_S
        return sum(map(_cpu_ns, stats)) / 1e9 + children_s

    def sleeps(self) -> bool:
        """Return whether the process waits; what is sent to it on loopback wakes it before the sender goes on."""
        return _fields(Path(f"/proc/{self.pid}/stat"))[0] == "S"

    def rss_mb(self) -> float:
        """Return the summed resident sizes of the process and its workers (shared pages count twice)."""
        return sum(_memory_kb(pid, "VmRSS:") for pid in _session_stats(self.pid)) / 1024

    def peak_rss_mb(self) -> float:
        """Return the summed peaks of the same."""
        return sum(_memory_kb(pid, "VmHWM:") for pid in _session_stats(self.pid)) / 1024


@dataclass(frozen=True, slots=True)
class External:
    """A server that runs already. Its process is not known, and so neither are its CPU and its memory."""

    port: int

    def cpu_s(self) -> float:
        """Return that it is not known."""
        return math.nan

    rss_mb = peak_rss_mb = cpu_s


def cores() -> tuple[int | None, int | None]:
    """Return the core for the server under test and the one for all else; None where there is no choice."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def free_port() -> int:
    """Return a loopback port that no process uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepare(core: int | None) -> Callable[[], None]:
    """Return what a child runs before its program: pin it to `core`, and let it die with the bench."""

    def before_exec() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if core is not None:
            os.sched_setaffinity(0, {core})

    return before_exec


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, core: int | None, variables: Mapping[str, str] = NO_VARIABLES
) -> Iterator[Child]:
    """Run `command`, with more environment `variables`, until the block ends.

    The block is entered when the command accepts connections on `port`.
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment() | dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=prepare(core),  # noqa: PLW1509 the bench has no threads
            )
        except OSError as error:
            raise StartError(f"cannot start {Path(command[0]).name}: {error.strerror}") from error
        try:
            _await_port(process.pid, port, output)
            yield Child(process.pid, port)
        finally:
            _end(process)


def _environment() -> dict[str, str]:
    # Settings and keys in the caller's shell must not change what is measured, nor reach the servers of others.
    return {n: value for n, value in os.environ.items() if not n.startswith("PENSTOCK_") and not n.endswith("_KEY")}


def _await_port(pid: int, port: int, output: IO[bytes]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if _has_ended(pid):
            raise StartError(f"ended at its start: {_last_line(output)}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)
    raise StartError(f"did not listen within {START_TIMEOUT_S:.0f} s: {_last_line(output)}")


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it printed nothing"


def _has_ended(pid: int) -> bool:
    # WNOWAIT leaves the zombie: its pid, hence its process group, cannot become that of another process.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    if not _has_ended(process.pid):
        os.kill(process.pid, signal.SIGTERM)
    deadline_s = time.monotonic() + END_TIMEOUT_S
    while not _has_ended(process.pid) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _session_stats(session: int) -> dict[int, list[str]]:
    """Return the fields of /proc/<pid>/stat after the name, of each process in `session`."""
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = _fields(path)
            if int(fields[3]) == session:
                stats[int(path.parent.name)] = fields
    return stats


def _fields(stat: Path) -> list[str]:
    """Return the fields after the name, which may have blanks in it."""
    return stat.read_text().rpartition(") ")[2].split()


def _cpu_ns(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended since it was listed: its parent counts it now
        return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)
    return 0


def _memory_kb(pid: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
