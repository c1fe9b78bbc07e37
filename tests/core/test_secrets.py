"""A secret is not shown."""

import json
import pickle

import msgspec
import pytest

from penstock.secrets import REDACTED, Secret


def test_a_secret_is_returned_only_by_its_own_method() -> None:
    secret = Secret("sk-1")
    assert secret.reveal() == "sk-1"
    assert f"{secret} {secret!r} {[secret]}" == f"{REDACTED} {REDACTED} [{REDACTED}]"
    for write in (msgspec.json.encode, json.dumps, pickle.dumps):
        with pytest.raises(TypeError):
            write(secret)


def test_secrets_are_equal_by_their_text() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
