"""What a test needs and a machine may lack: a program, a package, a right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Missing(Exception):
    """What a test needs is not on this machine."""


@contextmanager
def skipped_if_missing() -> Iterator[None]:
    """Skip the test for what is `Missing`. Where `CI` is set it fails: there, nothing may be missing."""
    try:
        yield
    except Missing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
