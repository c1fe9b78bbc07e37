"""Sealing: what opens and, of everything else, that it does not."""

import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_adapters.cryptography import AeadSealer

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
PLAIN = "Thoughts: Grüße 😀".encode()
FORM = set(string.ascii_letters + string.digits + "-_.")


@given(st.binary(max_size=2_000), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=100)
def test_what_was_sealed_opens_and_shows_nothing(plain: bytes, kind: str, owner: str) -> None:
    sealer = AeadSealer([NEW])
    blob = sealer.seal(kind, owner, plain)
    assert set(blob) <= FORM
    assert sealer.open(kind, owner, blob) == plain
    assert AeadSealer([NEW]).open(kind, owner, blob) == plain, "another replica with the same key"


def test_the_same_text_makes_two_blobs() -> None:
    sealer = AeadSealer([NEW])
    assert sealer.seal("reasoning", "me", PLAIN) != sealer.seal("reasoning", "me", PLAIN)


def test_it_opens_for_its_owner_and_as_its_kind_alone() -> None:
    sealer = AeadSealer([NEW])
    blob = sealer.seal("reasoning", "me", PLAIN)
    assert sealer.open("reasoning", "you", blob) is None
    assert sealer.open("compaction", "me", blob) is None
    assert sealer.open("reason", "ingme", blob) is None
    assert sealer.open("reasoning", "me", blob) == PLAIN


def test_keys_are_rotated() -> None:
    before, between, after = AeadSealer([OLD]), AeadSealer([NEW, OLD]), AeadSealer([NEW])
    old = before.seal("reasoning", "me", PLAIN)
    new = between.seal("reasoning", "me", PLAIN)
    assert between.open("reasoning", "me", old) == PLAIN
    assert (before.open("reasoning", "me", new), after.open("reasoning", "me", new)) == (None, PLAIN)
    assert after.open("reasoning", "me", old) is None
    assert OLD.hex() not in old
    assert old.split(".")[:2] == before.seal("any", "any", b"").split(".")[:2], "a key has one id"


def test_no_byte_can_be_changed() -> None:
    sealer = AeadSealer([NEW, OLD])
    blob = sealer.seal("reasoning", "me", PLAIN)
    for index, sign in enumerate(blob):
        for other in {*"Aa0-_.=/+ é\n\0", chr(ord(sign) ^ 1)} - {sign}:
            assert sealer.open("reasoning", "me", blob[:index] + other + blob[index + 1 :]) is None, (index, other)


def test_no_byte_can_be_taken_away_or_added() -> None:
    sealer = AeadSealer([NEW])
    blob = sealer.seal("reasoning", "me", PLAIN)
    for index in range(len(blob)):
        assert sealer.open("reasoning", "me", blob[:index]) is None
        assert sealer.open("reasoning", "me", blob[:index] + blob[index + 1 :]) is None
    for more in ("A", "AAAA", "=", "==", "\n", ".", ".A"):
        assert sealer.open("reasoning", "me", blob + more) is None


def test_the_id_of_a_key_is_bound() -> None:
    """A blob that claims another of our keys does not open under it, nor under its own."""
    sealer = AeadSealer([NEW, OLD])
    prefix, _, sealed = sealer.seal("reasoning", "me", PLAIN).split(".")
    old_id = AeadSealer([OLD]).seal("reasoning", "me", PLAIN).split(".")[1]
    assert sealer.open("reasoning", "me", f"{prefix}.{old_id}.{sealed}") is None


@pytest.mark.parametrize(
    "blob",
    ["", ".", "..", "pnsk1", "pnsk1..", "gAAAAABl" + "x" * 92, "gAAAAA==", "\ud800", "pnsk2.0.AAAA", "😀" * 10],
)
def test_what_is_foreign_does_not_open(blob: str) -> None:
    sealer = AeadSealer([NEW])
    key_id = sealer.seal("reasoning", "me", b"").split(".")[1]
    assert sealer.open("reasoning", "me", blob) is None
    assert sealer.open("reasoning", "me", f"pnsk1.{key_id}.{blob}") is None


@given(st.text(max_size=200))
def test_rubbish_does_not_open(blob: str) -> None:
    assert AeadSealer([NEW]).open("reasoning", "me", blob) is None


def test_a_long_text() -> None:
    plain = os.urandom(2_000_000)
    sealer = AeadSealer([NEW])
    assert sealer.open("reasoning", "me", sealer.seal("reasoning", "me", plain)) == plain


def test_without_keys_each_sealer_makes_its_own_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.urandom", lambda size: pytest.fail("too early"))
        one, other = AeadSealer([]), AeadSealer([])
    blob = one.seal("kind", "me", b"text")
    assert one.open("kind", "me", blob) == b"text"
    assert other.open("kind", "me", blob) is None
