"""The port to the siblings of a process: the other workers that serve the same port.

A worker answers questions about a path, and asks its siblings such questions. What a question means is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

Answer: TypeAlias = Callable[[bytes], bytes]
"""The answer to a sibling's question, from the question's body. It must be quick, and must not wait."""


class SiblingReply(msgspec.Struct, frozen=True):
    """What one sibling has answered."""

    worker: str
    """The sibling's label: its index among the workers."""
    body: bytes | None
    """None where it did not answer in time."""


class Siblings(Protocol):
    """The other workers of this server, and what this worker answers them."""

    @property
    def worker(self) -> str:
        """This worker's label: its index among the workers. A worker that replaces another one has the same."""

    @property
    def is_alone(self) -> bool:
        """Whether there are no other workers."""

    def answer(self, path: str, answer: Answer) -> None:
        """Answer the questions of siblings about `path` by this function from now on."""

    async def ask(self, path: str, body: bytes = b"") -> list[SiblingReply]:
        """Ask all siblings at once. It waits a short time and raises nothing: one without an answer has no body."""


class NoSiblings:
    """The siblings of a process that is alone."""

    worker = "0"
    is_alone = True

    def answer(self, path: str, answer: Answer) -> None:
        """There is no one who asks."""

    async def ask(self, path: str, body: bytes = b"") -> list[SiblingReply]:
        """There is no one to ask."""
        return []
