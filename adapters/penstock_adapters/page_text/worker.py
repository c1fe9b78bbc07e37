"""The process that reads pages: one page after the other from its input, until that ends.

Run as `python -m penstock_adapters.page_text.worker BYTES CHARS`: its memory, and the length of a text.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from penstock.ports import PageFailed

from .documents import read
from .frames import HEAD, Answer, decode_page, frame

_CPU_S = 120
"""The CPU time of one process for all of its pages."""
_FILES_MAX = 32
_DESCRIPTION_CHARS_MAX = 100


def main(memory_bytes: int, chars_max: int) -> None:
    """Answer each page."""
    _bound(memory_bytes)
    source, answers = _streams()
    while len(head := source.read(HEAD.size)) == HEAD.size:
        answer = _answer(source.read(*HEAD.unpack(head)), chars_max)
        answers.write(frame(answer))
        answers.flush()


def _answer(body: bytes, chars_max: int) -> Answer:
    try:
        found = read(decode_page(body), chars_max)
    except PageFailed as error:
        return Answer(problem=str(error))
    except MemoryError:
        return Answer(problem="reading it needs too much memory")
    except Exception as error:  # parsers of foreign files raise anything
        return Answer(problem=f"its content is damaged ({type(error).__name__})"[:_DESCRIPTION_CHARS_MAX])
    return Answer(title=_encodable(found.title), text=_encodable(found.text))


def _encodable(text: str) -> str:
    """The text without halves of characters, which some PDF files give."""
    return text.encode(errors="replace").decode()


def _bound(memory_bytes: int) -> None:
    """Bound what this process may use, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _streams() -> tuple[BinaryIO, BinaryIO]:
    """The input, and the output for answers. What a package prints goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return sys.stdin.buffer, answers


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
