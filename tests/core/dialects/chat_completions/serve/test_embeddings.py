"""Embeddings: the reply in its pieces, in both encodings, as the `openai` package reads it."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import msgspec
import pytest
from openai.types import CreateEmbeddingResponse

from core.kit import LIMITS, Json
from penstock.dialects.chat_completions.serve.embeddings import embedding_inputs, write_embeddings
from penstock.dialects.chat_completions.serve.requests import EmbeddingsRequest
from penstock.dialects.synthetic import vocabulary
from penstock.dialects.synthetic.embedding import unit_vector
from penstock.errors import ApiError
from penstock.limits import Limits


def embed(limits: Limits = LIMITS, **fields: Any) -> Json:
    request = msgspec.json.decode(json.dumps({"model": "synthetic", "input": "a"} | fields), type=EmbeddingsRequest)
    inputs = embedding_inputs(request, vocabulary, limits)
    pieces = write_embeddings(request, inputs, "synthetic", lambda text: unit_vector(text, request.dimensions or 8))
    body: Json = json.loads(b"".join(pieces))
    return body


def test_the_package_accepts_it() -> None:
    read = CreateEmbeddingResponse.model_validate(embed(input=["a", "b", "a"]), strict=True)
    assert [each.index for each in read.data] == [0, 1, 2]
    assert read.data[0].embedding == read.data[2].embedding != read.data[1].embedding
    assert read.usage.prompt_tokens == 3


def test_base64_has_the_same_numbers() -> None:
    floats = embed(dimensions=5)["data"][0]["embedding"]
    packed = base64.b64decode(embed(dimensions=5, encoding_format="base64")["data"][0]["embedding"])
    assert struct.unpack("<5f", packed) == pytest.approx(floats)


@pytest.mark.parametrize(
    ("param", "asked"),
    [("input", {"input": []}), ("dimensions", {"dimensions": 17})],
)
def test_the_bounds(param: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as raised:
        embed(Limits(embedding_dimensions_max=16), **asked)
    assert (raised.value.status, raised.value.param) == (400, param)
