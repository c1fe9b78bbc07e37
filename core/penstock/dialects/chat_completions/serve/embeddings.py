"""The reply to a request for embeddings, in pieces: a large one is not held in memory.

It knows the two encodings of a vector. A model makes the vectors.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator

import msgspec

from penstock.errors import invalid
from penstock.limits import Limits

from .inputs import Input, Tokenizer, read_inputs
from .requests import EmbeddingsRequest

_encode = msgspec.json.Encoder().encode


def embedding_inputs(request: EmbeddingsRequest, tokenizer: Tokenizer, limits: Limits) -> list[Input]:
    """The inputs of a request. Raises `ApiError` 400 for what is no input, or for too many dimensions."""
    inputs = read_inputs(request.input, "input", tokenizer)
    if (request.dimensions or 0) > (dimensions_max := limits.embedding_dimensions_max):
        message = f"Invalid 'dimensions': Expected a value <= {dimensions_max}, but got {request.dimensions}."
        raise invalid(message, "dimensions", "integer_above_max_value")
    return inputs


def write_embeddings(
    request: EmbeddingsRequest, inputs: list[Input], model: str, vector_of: Callable[[str], list[float]]
) -> Iterator[bytes]:
    """The pieces of the reply, one for each input and one for the end."""
    write = _base64 if request.encoding_format == "base64" else _encode
    before = b'{"object":"list","data":['
    for index, each in enumerate(inputs):
        yield b'%b{"object":"embedding","index":%d,"embedding":%b}' % (before, index, write(vector_of(each.text)))
        before = b","
    tokens = sum(each.tokens for each in inputs)
    usage = b'"usage":{"prompt_tokens":%d,"total_tokens":%d}' % (tokens, tokens)
    yield b'],"model":%b,%b}' % (_encode(model), usage)


def _base64(vector: list[float]) -> bytes:
    """The numbers as floats of four bytes, the lowest byte first."""
    return b'"%b"' % base64.b64encode(struct.pack(f"<{len(vector)}f", *vector))
