"""The port to prompt templates: which versions there are, and what one of them says.

It knows ids and versions; what a template means, `penstock.engine.context.prompts` knows.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class PromptTemplate(msgspec.Struct, frozen=True):
    """One version of a template: the fields of a request as JSON, and where they stand, for the log."""

    where: str
    body: bytes


class PromptBroken(Exception):
    """A template that cannot be used: where it stands, and what is wrong with it, for who keeps it."""

    def __init__(self, where: str, mistake: str) -> None:
        super().__init__(f"{where}: {mistake}")


class Prompts(Protocol):
    """Where templates are kept. Ids and versions are a client's words, and may be anything."""

    async def versions(self, prompt_id: str) -> list[str]:
        """The versions that there are of a prompt, in any order; none where there is no such prompt."""

    async def template(self, prompt_id: str, version: str) -> PromptTemplate:
        """One of those versions as it is now. Raises `PromptBroken`."""
