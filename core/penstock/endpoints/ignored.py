"""The headers that name what is ignored of a request, or was read as something else."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from penstock.engine import Plan
from penstock.ports import Headers

_NAMES_MAX = 32
_NAME_CHARS_MAX = 64


def ignored_headers(plan: Plan) -> Headers:
    """Headers that name what is ignored of the request, and the content parts that were read as another type."""
    if not (plan.ignored or plan.mapped):
        return []
    # spec: chat-parts
    mapped = [("x-penstock-mapped", _names(plan.mapped))] if plan.mapped else []
    return [*ignored_header(plan.ignored), *mapped]


def ignored_header(ignored: Sequence[str]) -> Headers:
    """The header that names what is ignored. There is none where nothing is ignored."""
    return [("x-penstock-ignored", _names(ignored))] if ignored else []


def _names(names: Sequence[str]) -> str:
    """A header's list of names. The client chose them, so each is escaped for a header."""
    escaped = [quote(name[:_NAME_CHARS_MAX], safe="[]=") for name in names[:_NAMES_MAX]]
    return ", ".join(escaped if len(names) <= _NAMES_MAX else [*escaped, "..."])
