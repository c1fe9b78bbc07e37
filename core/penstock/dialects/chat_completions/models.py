"""Lists of models, as backends tell them.

It knows the many names of a context's size.
"""

from __future__ import annotations

import msgspec

from penstock.errors import upstream_failed

from .wire import ReadModel, ReadModels


def read_models(body: bytes) -> list[ReadModel]:
    """The models of a list. Raises `ApiError` where it is none."""
    try:
        return msgspec.json.decode(body, type=ReadModels).data
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise upstream_failed("The upstream's list of models cannot be read.") from None


def context_size(model: ReadModel) -> int | None:
    """The tokens of a model's context, if they are told: as it is served first, then as it was trained."""
    meta = model.meta
    told = (model.max_model_len, meta and meta.n_ctx, model.context_length, meta and meta.n_ctx_train)
    return next((size for size in told if size and size > 0), None)
