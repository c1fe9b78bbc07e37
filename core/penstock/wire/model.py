"""Models as `GET /models` lists them.

It knows OpenAI's `Model` and the list around it.
"""

from __future__ import annotations

from ._base import Wire


class Model(Wire, kw_only=True):
    """One model; `created` is in Unix seconds."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "penstock"


class ModelList(Wire, kw_only=True):
    """Every model."""

    object: str = "list"
    data: list[Model]
