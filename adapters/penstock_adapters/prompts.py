"""Prompt templates in a folder: `<id>/<version>.toml`.

It knows files and TOML. A file is read on demand, and again when it has changed; no name from a client leads out of the
folder.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import msgspec

from penstock.ports import PromptBroken, PromptTemplate

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The form of an id or version: it cannot begin with a dot, and has no slash."""
_SUFFIX = ".toml"
_FILES_CACHED_MAX = 1_000
"""How many files are cached: where the file system ignores case, clients can invent names for them."""


class _Read(NamedTuple):
    """The template of a file, and the file's state when it was read."""

    state: tuple[int, int, int]
    template: PromptTemplate


class PromptFolder:
    """`Prompts` in files."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._known: dict[Path, _Read] = {}

    async def versions(self, prompt_id: str) -> list[str]:
        """See `Prompts`."""
        return await asyncio.to_thread(self.versions_now, prompt_id)

    async def template(self, prompt_id: str, version: str) -> PromptTemplate:
        """See `Prompts`."""
        return await asyncio.to_thread(self.template_now, prompt_id, version)

    def prompt_ids(self) -> list[str]:
        """Every prompt in the folder. Raises `OSError` where it cannot be read."""
        return sorted(entry.name for entry in self._path.iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name))

    def versions_now(self, prompt_id: str) -> list[str]:
        """`versions`, for callers that may block."""
        if not _NAME.fullmatch(prompt_id):
            return []
        try:
            names = [path.name for path in (self._path / prompt_id).iterdir() if path.suffix == _SUFFIX]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [version for name in names if _NAME.fullmatch(version := name.removesuffix(_SUFFIX))]

    def template_now(self, prompt_id: str, version: str) -> PromptTemplate:
        """`template`, for callers that may block."""
        if not (_NAME.fullmatch(prompt_id) and _NAME.fullmatch(version)):
            raise ValueError("no template has such a name")
        path = self._path / prompt_id / (version + _SUFFIX)
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size, status.st_ino)
            known = self._known.get(path)
            if known is None or known.state != state:
                known = self._cache(path, _Read(state, PromptTemplate(str(path), _as_json(path))))
        except OSError as error:
            raise PromptBroken(str(path), f"it cannot be read: {error.strerror}") from None
        return known.template

    def _cache(self, path: Path, read: _Read) -> _Read:
        if len(self._known) >= _FILES_CACHED_MAX:
            self._known.clear()
        self._known[path] = read
        return read


def _as_json(path: Path) -> bytes:
    try:
        return msgspec.json.encode(tomllib.loads(path.read_text("utf-8-sig")))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PromptBroken(str(path), f"not TOML: {error}") from None
    except UnicodeDecodeError:
        raise PromptBroken(str(path), "not UTF-8") from None
