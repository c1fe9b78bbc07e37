"""The siblings of a worker: each worker has a Unix socket in a private folder, at which the others ask it.

It knows sockets and the lengths of messages: a question is the length of its path, the path, the length of its body and
the body; an answer is its length and its bytes. It does not know what is asked.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from contextlib import suppress
from pathlib import Path

from penstock.limits import Limits
from penstock.ports import SiblingReply
from penstock.ports.siblings import Answer

_LENGTH = struct.Struct("!I")
_PATH_BYTES_MAX = 200
"""The longest path of a question."""
_FAILURES = (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError)
"""How a conversation with a sibling fails."""

_log = logging.getLogger("penstock.siblings")


class UnixSiblings:
    """The siblings of the worker with this index, of `size` workers with sockets in one folder."""

    is_alone = False

    def __init__(self, folder: Path, index: int, size: int, limits: Limits) -> None:
        self.worker = str(index)
        self._folder = folder
        self._others = [str(other) for other in range(size) if other != index]
        self._wait_s = limits.sibling_wait_s
        self._bytes_max = limits.sibling_bytes_max
        self._answers: dict[str, Answer] = {}
        self._server: asyncio.Server | None = None

    def answer(self, path: str, answer: Answer) -> None:
        """Answer questions about `path` by this function."""
        self._answers[path] = answer

    async def ask(self, path: str, body: bytes = b"") -> list[SiblingReply]:
        """Ask all siblings at once, and wait a short time."""
        question = _message(path.encode()) + _message(body)
        bodies = await asyncio.gather(*(self._ask(worker, question) for worker in self._others))
        return [SiblingReply(worker, body) for worker, body in zip(self._others, bodies, strict=True)]

    async def start(self) -> None:
        """Listen. A worker that cannot listen does not answer its siblings, and serves its clients."""
        path = self._path(self.worker)
        try:
            path.unlink(missing_ok=True)  # of the worker that this one replaces
            self._server = await asyncio.start_unix_server(self._serve, path)
        except OSError as error:
            _log.warning("the other workers cannot ask worker %s: %s", self.worker, error)

    async def aclose(self) -> None:
        """Stop listening. The last worker removes the folder."""
        if self._server is not None:
            self._server.close()
            with suppress(OSError):
                self._path(self.worker).unlink(missing_ok=True)
                self._folder.rmdir()

    async def _ask(self, worker: str, question: bytes) -> bytes | None:
        """A sibling's answer. None if there is none in time."""
        try:
            async with asyncio.timeout(self._wait_s):
                reader, writer = await asyncio.open_unix_connection(self._path(worker))
                try:
                    writer.write(question)
                    return await self._read(reader, self._bytes_max)
                finally:
                    writer.close()
        # spec: silent-siblings
        except _FAILURES as error:
            _log.debug("worker %s does not answer: %r", worker, error)
            return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question of a sibling. It gets no answer where that fails."""
        try:
            async with asyncio.timeout(self._wait_s):
                path = await self._read(reader, _PATH_BYTES_MAX)
                body = await self._read(reader, self._bytes_max)
                writer.write(_message(self._answers[path.decode()](body)))
                await writer.drain()
        except _FAILURES as error:
            _log.debug("a worker could not be answered: %r", error)
        except Exception:
            _log.exception("a worker could not be answered by a fault of this server")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, bytes_max: int) -> bytes:
        """A message. Raises `ValueError` for one that is too long."""
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > bytes_max:
            raise ValueError(f"a message of {length} bytes")
        return await reader.readexactly(length)

    def _path(self, worker: str) -> Path:
        return self._folder / worker


def _message(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content
