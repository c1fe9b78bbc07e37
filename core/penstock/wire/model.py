"""Models as `GET /models` lists them.

It knows OpenAI's `Model` and the list around it.
"""

from ._base import UNSET, UnsetType, Wire


class Model(Wire, kw_only=True):
    """One model; `created` is in Unix seconds. Load tools read the fields that vLLM adds.

    `root` is the name of the model, and `max_model_len` the size of its context in tokens.
    """

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "penstock"
    root: str | UnsetType = UNSET
    max_model_len: int | UnsetType = UNSET


class ModelList(Wire, kw_only=True):
    """Every model."""

    object: str = "list"
    data: list[Model]
