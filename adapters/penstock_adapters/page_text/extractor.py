"""The extractor: a few processes that read pages, started when they are needed and ended when they are not."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import msgspec

from penstock.engine.loops import LoopSemaphore
from penstock.limits import Limits
from penstock.ports import PageContent, PageFailed, PageText

from .documents import needs_process, read
from .frames import HEAD, Answer, decode_answer, frame

_ANSWER_BYTES_FACTOR = 5
"""A character has at most four bytes in UTF-8, and the title has some more."""
_ENDING_S = 1.0
"""How long the end of a killed process is waited for."""


class ProcessExtractor:
    """Gives pages to processes. A process that fails in any way is killed, and the next page gets another one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots = LoopSemaphore(limits.page_text_processes_max)
        self._idle: list[asyncio.subprocess.Process] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def extract(self, content: PageContent) -> PageText:
        """The text of a page. Raises `PageFailed`."""
        if not needs_process(content):
            return read(content, self._limits.page_text_bytes_max)
        async with self._slots:
            answer = await self._ask(content)
        if answer.problem:
            raise PageFailed(answer.problem)
        return PageText(title=answer.title, text=answer.text)

    async def aclose(self) -> None:
        """End the idle processes."""
        idle, self._idle = self._idle, []
        self._stop_timer()
        for process in idle:
            await _end(process)

    async def _ask(self, content: PageContent) -> Answer:
        process = await self._take()
        try:
            async with asyncio.timeout(self._limits.page_text_s):
                answer = await self._exchange(process, frame(content))
        except TimeoutError:
            await _end(process)
            raise PageFailed(f"its text was not found within {self._limits.page_text_s:g} s") from None
        except (OSError, EOFError, msgspec.MsgspecError):
            await _end(process)
            raise PageFailed("reading it needs too much memory or time") from None
        except BaseException:
            _kill(process)
            raise
        if answer.problem:
            await _end(process)  # its memory may be full
        else:
            self._put_back(process)
        return answer

    async def _exchange(self, process: asyncio.subprocess.Process, message: bytes) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        await process.stdin.drain()
        [size] = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
        if size > self._limits.page_text_bytes_max * _ANSWER_BYTES_FACTOR:
            raise EOFError
        return decode_answer(await process.stdout.readexactly(size))

    async def _take(self) -> asyncio.subprocess.Process:
        """A process that is ready. Raises `PageFailed` where the system starts none."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._idle.clear()
            self._loop, self._timer = loop, None
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"{__package__}.worker"),
                *(str(self._limits.page_text_memory_bytes_max), str(self._limits.page_text_bytes_max)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # no secrets
            )
        except (OSError, NotImplementedError):
            raise PageFailed("this server cannot start the process that reads pages") from None

    def _put_back(self, process: asyncio.subprocess.Process) -> None:
        self._idle.append(process)
        self._stop_timer()
        assert self._loop is not None
        self._timer = self._loop.call_later(self._limits.page_text_idle_s, self._end_idle)

    def _end_idle(self) -> None:
        """No page was read for a while."""
        self._timer = None
        for process in self._idle:
            _kill(process)
        self._idle.clear()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a process, and wait until it is gone."""
    _kill(process)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _ENDING_S)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
