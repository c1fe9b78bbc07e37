"""The port to prompt templates: the versions of a prompt, and the template of a version.

It knows ids and versions. `penstock.engine.context.prompts` reads templates.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class PromptTemplate(msgspec.Struct, frozen=True):
    """One version of a template: the fields of a request as JSON, and their file, for the log."""

    where: str
    body: bytes


class PromptBroken(Exception):
    """A template that cannot be used. The message has its file and the mistake, for the operator."""

    def __init__(self, where: str, mistake: str) -> None:
        super().__init__(f"{where}: {mistake}")


class Prompts(Protocol):
    """A source of templates. Ids and versions come from clients, and may be any text."""

    async def versions(self, prompt_id: str) -> list[str]:
        """The versions of a prompt, in any order. Empty where there is no such prompt."""

    async def template(self, prompt_id: str, version: str) -> PromptTemplate:
        """The current template of one of those versions. Raises `PromptBroken`."""
