"""A test here may be `async def`, as in the store suite."""

from conformance.conftest import pytest_pyfunc_call, runner

__all__ = ["pytest_pyfunc_call", "runner"]
