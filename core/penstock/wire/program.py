"""The program family: programs that call tools, and their outputs.

It knows the JSON of OpenAI's program items. It never runs or reads their code.
"""

from typing import ClassVar, Literal

from ._base import UNSET, Item, UnsetType


class Program(Item, kw_only=True, tag="program"):
    """A program that the model wrote to call tools. Clients send `fingerprint` back unchanged."""

    id_prefix: ClassVar[str] = "prog_"

    id: str | None | UnsetType = UNSET
    call_id: str
    code: str
    fingerprint: str


class ProgramOutput(Item, kw_only=True, tag="program_output"):
    """The output of a program."""

    id_prefix: ClassVar[str] = "progo_"

    id: str | None | UnsetType = UNSET
    status: Literal["completed", "incomplete"] | None | UnsetType = UNSET
    call_id: str
    result: str
