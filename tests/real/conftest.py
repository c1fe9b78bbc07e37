"""The real upstream, and Penstock in front of it; both are started once, and only by tests that ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from real.llama_server import LlamaServer
from support.server import PenstockServer


@pytest.fixture(scope="session")
def llama() -> Iterator[LlamaServer]:
    with LlamaServer() as server:
        yield server


@pytest.fixture(scope="session")
def penstock(llama: LlamaServer) -> Iterator[PenstockServer]:
    with PenstockServer("--upstream", llama.url) as server:
        yield server


@pytest.fixture
def client(penstock: PenstockServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=penstock.url, api_key="any", max_retries=0, timeout=60) as client:
        yield client
