"""Credentials from each of their sources: real servers on this machine answer as those of AWS do."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conformance.servers import free_port
from penstock.ports import Transport
from penstock.secrets import Secret
from penstock_adapters.aws.credentials import Credentials, CredentialsChain, NoCredentials
from penstock_adapters.drivers import aws_transport

EXPIRATION = "2026-12-01T00:00:00Z"
END_S = 1_796_083_200.0
ROLE = "/latest/meta-data/iam/security-credentials/"


class Source:
    """A server with answers by path. It notes what it was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        source = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                body = source.answers.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("content-length", str(len(body or "")))
                self.end_headers()
                self.wfile.write((body or "").encode())

            do_PUT = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def connect(self, url: str) -> Transport:
        """Addresses that only machines of AWS have lead here."""
        return aws_transport(url if "127.0.0.1" in url else self.url)


def written(key_id: str = "AKID", expiration: str = EXPIRATION) -> str:
    return json.dumps(
        {"AccessKeyId": key_id, "SecretAccessKey": "hidden", "Token": "t", "Expiration": expiration, "RoleArn": "r"}
    )


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.server.shutdown()
    source.server.server_close()


def chain(source: Source, environment: dict[str, str], now: float = 0.0) -> CredentialsChain:
    return CredentialsChain(environment, source.connect, lambda: now)


async def test_variables_come_first(source: Source, runner: asyncio.Runner) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "AWS_SESSION_TOKEN": "token",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{source.url}/never",
    }
    assert await chain(source, environment).get() == Credentials("id", Secret("hidden"), Secret("token"))
    del environment["AWS_SESSION_TOKEN"]
    assert await chain(source, environment).get() == Credentials("id", Secret("hidden"))
    assert source.asked == []


async def test_the_relative_path_of_a_container(source: Source, runner: asyncio.Runner) -> None:
    source.answers["/v2/credentials/x?a=b"] = written()
    found = await chain(source, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x?a=b"}).get()
    assert found == Credentials("AKID", Secret("hidden"), Secret("t"), END_S)
    assert "authorization" not in source.asked[0][2]


@pytest.mark.parametrize("kind", ["text", "file"])
async def test_the_whole_url_of_a_container_with_its_token(
    source: Source, kind: str, tmp_path: Path, runner: asyncio.Runner
) -> None:
    source.answers["/creds"] = written()
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{source.url}/creds"}
    if kind == "text":
        environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Bearer of the task"
    else:
        (tmp_path / "token").write_text("Bearer of the task\n")
        environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(tmp_path / "token")
    assert (await chain(source, environment).get()).key_id == "AKID"
    assert source.asked[0][2]["authorization"] == "Bearer of the task"


async def test_no_token_is_sent_to_other_hosts(source: Source, runner: asyncio.Runner) -> None:
    with pytest.raises(NoCredentials, match="neither HTTPS nor"):
        await chain(source, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://attacker.example.com/x"}).get()
    assert source.asked == []


async def test_the_metadata_of_an_instance(source: Source, runner: asyncio.Runner) -> None:
    source.answers |= {"/latest/api/token": "session", ROLE: "penstock\n", f"{ROLE}penstock": written()}
    assert (await chain(source, {}).get()).expires_at == END_S
    (method, _, first), *others = source.asked
    assert method == "PUT"
    assert first["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert [headers["x-aws-ec2-metadata-token"] for _, _, headers in others] == ["session"] * 2


async def test_nothing_is_asked_where_it_is_forbidden(source: Source, runner: asyncio.Runner) -> None:
    with pytest.raises(NoCredentials, match="AWS_ACCESS_KEY_ID"):
        await chain(source, {"AWS_EC2_METADATA_DISABLED": "true"}).get()
    assert source.asked == []


@pytest.mark.parametrize("answer", [None, "", "no JSON", '{"AccessKeyId": "id"}', "x" * 70_000])
async def test_a_wrong_answer_is_no_credential(source: Source, answer: str | None, runner: asyncio.Runner) -> None:
    if answer is not None:
        source.answers["/creds"] = answer
    with pytest.raises(NoCredentials):
        await chain(source, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{source.url}/creds"}).get()


async def test_no_server_is_no_credential(source: Source, runner: asyncio.Runner) -> None:
    with pytest.raises(NoCredentials):
        await chain(source, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{free_port()}/"}).get()


async def test_they_are_renewed_before_their_end(
    source: Source, caplog: pytest.LogCaptureFixture, runner: asyncio.Runner
) -> None:
    now = END_S - 1_000
    source.answers["/creds"] = written("first")
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{source.url}/creds"}
    credentials = CredentialsChain(environment, source.connect, lambda: now)
    assert [(await credentials.get()).key_id for _ in range(3)] == ["first"] * 3
    assert len(source.asked) == 1
    now = END_S - 100
    del source.answers["/creds"]
    with caplog.at_level(logging.WARNING):
        assert (await credentials.get()).key_id == "first"
    assert "cannot be renewed yet" in caplog.text
    source.answers["/creds"] = written("second", "2026-12-02T00:00:00Z")
    assert (await credentials.get()).key_id == "second"
    now = END_S + 2 * 86_400
    del source.answers["/creds"]
    with pytest.raises(NoCredentials):
        await credentials.get()


async def test_of_many_at_once_one_asks(source: Source, runner: asyncio.Runner) -> None:
    source.answers["/creds"] = written()
    credentials = chain(source, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{source.url}/creds"})
    found = await asyncio.gather(*(credentials.get() for _ in range(20)))
    assert {each.key_id for each in found} == {"AKID"}
    assert len(source.asked) == 1
