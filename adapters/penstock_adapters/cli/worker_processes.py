"""Worker processes on one port: forked, replaced when they die, and stopped together.

It knows processes and signals; the work of a worker is an argument.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from .signals import ignore_stop, on_hangup, stop_signals

_REPLACE_S = 0.5
"""The wait before a worker is replaced, so that a worker that always dies is not forked in a loop."""

_log = logging.getLogger(__name__)


class WorkerProcesses:
    """`work()` keeps a number of workers running. A worker that fails ends them all, so that a supervisor notices.

    With `reloads` they get each SIGHUP of their leader. It is blocked in a worker until `serve` handles it, by
    `on_hangup`: it would end one that has just begun.

    `serve` gets the worker's index, which its replacement has too. If there are fewer listeners than workers, they are
    shared. They stay open when a worker dies: its replacement accepts the connections that wait.
    """

    def __init__(
        self,
        size: int,
        listeners: Sequence[socket.socket],
        serve: Callable[[int, socket.socket], int],
        *,
        reloads: bool = False,
    ) -> None:
        self._reloads = reloads
        self._size = size
        self._listeners = listeners
        self._serve = serve
        self._indexes: dict[int, int] = {}
        self._stopping = False
        self._code = 0

    def work(self) -> int:
        """The exit code: of the leader in this process, and of `serve` in each of its workers."""
        outside: dict[signal.Signals, Any] = {number: signal.signal(number, self._stop) for number in stop_signals()}
        if self._reloads:
            outside.setdefault(signal.SIGHUP, signal.getsignal(signal.SIGHUP))
            on_hangup(self._pass_on)
        while self._indexes or not self._stopping:
            for index in set(range(self._size)) - set(self._indexes.values()):
                if not self._stopping and self._fork(index, outside):
                    return self._serve(index, self._take(index))
            if self._indexes:
                self._remove(*os.wait())
        ignore_stop()
        return self._code

    def _fork(self, index: int, outside: Mapping[signal.Signals, Any]) -> bool:
        """Whether this process is the new worker. No signal arrives between the fork and its registration."""
        signal.pthread_sigmask(signal.SIG_BLOCK, outside)
        pid = os.fork()
        if pid:
            self._indexes[pid] = index
        else:
            for number, handle in outside.items():
                signal.signal(number, handle)
        held = {signal.SIGHUP} if self._reloads and pid == 0 else set()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, outside.keys() - held)
        return pid == 0

    def _take(self, index: int) -> socket.socket:
        """The worker's listener. All others are closed: they must not stay open when their own workers close them."""
        mine = self._listeners[index % len(self._listeners)]
        for listener in self._listeners:
            if listener is not mine:
                listener.close()
        return mine

    def _remove(self, pid: int, status: int) -> None:
        self._indexes.pop(pid, None)
        if self._stopping:
            return
        code = os.waitstatus_to_exitcode(status)
        _log.warning("worker %d ended with %d", pid, code)
        if code > 0:
            self._code = code
            self._stop(signal.SIGTERM, None)
        else:
            time.sleep(_REPLACE_S)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._send(number)

    def _send(self, number: int) -> None:
        for pid in list(self._indexes):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Stop the workers with SIGTERM: the terminal may have sent them SIGINT, and a second one means at once."""
        passed_on = signal.SIGINT if self._stopping else signal.SIGTERM
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        self._send(passed_on)
