"""Compressed bodies: whatever was packed comes out, a bomb does not, and damage is reported."""

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from importlib import import_module

import brotli
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.errors import ApiError
from penstock_adapters import content_codings
from penstock_adapters.compression import CODINGS_MAX, decompress
from penstock_adapters.content_codings import FRAMES_MAX, WINDOW_BYTES, supported

zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PLENTY = 2**20


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", lambda data: brotli.compress(data, quality=4)),
    "zstd": ("zstd", zstd.compress),
}
EVERY = pytest.mark.parametrize("packer", PACKERS)
FRAMED = pytest.mark.parametrize("packer", ["gzip", "zstd"])

DATA = st.one_of(
    st.binary(max_size=3_000),
    st.builds(
        lambda piece, length: (piece * length)[:length],
        st.binary(min_size=1, max_size=50),
        st.integers(-3, 3).map(lambda more: more + WINDOW_BYTES) | st.integers(1, 4 * WINDOW_BYTES),
    ),
)


def refusal(body: bytes, encoding: str, bytes_max: int = PLENTY) -> ApiError:
    with pytest.raises(ApiError) as caught:
        decompress(body, encoding, bytes_max)
    return caught.value


@EVERY
@given(data=DATA)
@example(bytes(2 * WINDOW_BYTES))  # brotli gives the rest of it only when asked once more
def test_what_was_packed_comes_out(packer: str, data: bytes) -> None:
    encoding, pack = PACKERS[packer]
    assert decompress(pack(data), encoding, len(data)) == data


@EVERY
@given(data=DATA, cut=st.floats(0, 1, exclude_max=True))
def test_what_ends_too_early_is_refused(packer: str, data: bytes, cut: float) -> None:
    encoding, pack = PACKERS[packer]
    body = pack(data)
    error = refusal(body[: int(len(body) * cut)], encoding)
    assert (error.status, "content-encoding" in error.message) == (400, True)


@EVERY
@given(data=st.binary(max_size=200))
def test_noise_is_unpacked_or_refused(packer: str, data: bytes) -> None:
    encoding, _ = PACKERS[packer]
    try:
        decompress(data, encoding, 1_000)
    except ApiError as error:
        assert error.status in (400, 413)


@EVERY
@given(data=DATA.filter(len))
def test_one_byte_too_many_is_too_large(packer: str, data: bytes) -> None:
    encoding, pack = PACKERS[packer]
    error = refusal(pack(data), encoding, len(data) - 1)
    assert (error.status, error.code) == (413, "request_too_large")


@EVERY
def test_a_bomb_costs_the_bound_and_a_window(packer: str) -> None:
    encoding, pack = PACKERS[packer]
    bomb = pack(bytes(2**26))
    bytes_max = 4 * 2**20
    tracemalloc.start()
    try:
        assert refusal(bomb, encoding, bytes_max).status == 413
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.25 * bytes_max + 16 * WINDOW_BYTES


@given(
    data=DATA, codings=st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd", "identity"]), max_size=CODINGS_MAX)
)
def test_codings_are_undone_from_the_last(data: bytes, codings: list[str]) -> None:
    body = data
    for coding in codings:
        body = PACKERS[coding][1](body) if coding != "identity" else body
    assert decompress(body, " , ".join(codings).upper(), PLENTY) == data


@FRAMED
@given(parts=st.lists(DATA, min_size=1, max_size=4))
def test_frames_follow_each_other(packer: str, parts: list[bytes]) -> None:
    encoding, pack = PACKERS[packer]
    assert decompress(b"".join(map(pack, parts)), encoding, 5 * PLENTY) == b"".join(parts)


@EVERY
def test_what_follows_the_end_is_refused(packer: str) -> None:
    encoding, pack = PACKERS[packer]
    for length in (10, WINDOW_BYTES):
        assert refusal(pack(b"hello") + b"x" * length, encoding).status == 400


@FRAMED
def test_there_is_an_end_to_empty_frames(packer: str) -> None:
    encoding, pack = PACKERS[packer]
    assert decompress(pack(b"") * FRAMES_MAX, encoding, PLENTY) == b""
    assert refusal(pack(b"") * (FRAMES_MAX + 1), encoding).status == 400


def test_a_zstd_frame_may_be_skippable_but_not_ask_for_a_huge_window() -> None:
    skippable = 0x184D2A50.to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    assert decompress(skippable + zstd.compress(b"hello"), "zstd", PLENTY) == b"hello"
    greedy = zstd.compress(bytes(2**25), options={zstd.CompressionParameter.window_log: 25})
    assert refusal(greedy, "zstd", 2**26).status == 400


def test_an_unsupported_coding_lists_the_supported_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal(b"", "gzip, lzma")
    assert error.status == 415
    assert error.message == "The content-encoding 'lzma' is not supported; supported are gzip, deflate, br, zstd."
    assert refusal(b"", ", ".join(["gzip"] * (CODINGS_MAX + 1))).status == 400
    monkeypatch.setitem(sys.modules, "brotli", None)
    content_codings._has_library.cache_clear()
    try:
        assert "br" not in supported()
        assert refusal(brotli.compress(b"hello"), "br").status == 415
    finally:
        content_codings._has_library.cache_clear()


def test_no_coding_is_no_work() -> None:
    for encoding in ("", "identity", " , "):
        assert decompress(b"hello", encoding, 1) == b"hello"
