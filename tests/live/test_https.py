"""HTTPS by the server itself: JSON, streams, WebSocket, wrong files, clients that misbehave, and new certificates."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from shutil import copyfile

import pytest
from cryptography.hazmat.primitives import serialization
from openai import OpenAI

from penstock.settings import SettingsError
from penstock_adapters.tls import server_context
from requirements import shows
from support.certificates import Authority
from support.server import COMMAND, PenstockServer, environment
from support.waiting import until

pytestmark = pytest.mark.slow

SERVING = re.compile(r"listening on (https://127\.0\.0\.1:\d+)")


class SecureServer(PenstockServer):
    """A server with a certificate."""

    listens = SERVING

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def trust(ours: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ours.ca_file))


def flags(ours: Authority, name: str = "server") -> list[str]:
    cert, key = ours.issue(name)
    return ["--tls-cert", str(cert), "--tls-key", str(key)]


@pytest.fixture(scope="module")
def server(ours: Authority) -> Iterator[SecureServer]:
    with SecureServer(*flags(ours)) as running:
        yield running


def connected(server: SecureServer, trust: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        return trust.wrap_socket(connection, server_hostname="127.0.0.1")  # it is detached, or closed


def common_name(server: SecureServer, trust: ssl.SSLContext) -> str:
    """Of the certificate that a new connection gets."""
    with connected(server, trust) as connection:
        subject = connection.getpeercert()["subject"]  # type: ignore[index]
        return dict(pair[0] for pair in subject)["commonName"]


def post(server: SecureServer, trust: ssl.SSLContext, body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trust, timeout=20)
    with closing(connection):
        connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()


@shows("tls-files")
def test_json_streams_and_websocket(server: SecureServer, ours: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.ca_file))
    with OpenAI(base_url=server.url, api_key="unused", max_retries=0) as client:
        assert client.responses.create(model="synthetic", input="Hi").status == "completed"
        with client.responses.stream(model="synthetic", input="Hi") as stream:
            assert [event.type for event in stream][-1] == "response.completed"
        with client.responses.connect() as connection:
            connection.response.create(model="synthetic", input="Hi")
            assert any(event.type == "response.completed" for event in connection)


@shows("tls-files")
def test_a_client_that_offers_http2_gets_http1(server: SecureServer, ours: Authority) -> None:
    offering = ssl.create_default_context(cafile=str(ours.ca_file))
    offering.set_alpn_protocols(["h2", "http/1.1"])
    with connected(server, offering) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert connection.version() == "TLSv1.3"


def test_old_versions_are_refused(server: SecureServer, ours: Authority) -> None:
    old = ssl.create_default_context(cafile=str(ours.ca_file))
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError, match=r"(?i)alert|reset|EOF"):
        connected(server, old)


def test_the_banner_and_the_probe(server: SecureServer) -> None:
    until(lambda: f"try: curl --insecure {server.base}/v1/responses" in server.log)
    probe = [*COMMAND[:-3], "health", "--port", str(server.port)]
    secure = [*probe, "--tls-cert", server.arguments[1]]
    for command, code in ((secure, 0), ([*secure, "--ready"], 0), (probe, 1)):
        run = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
        assert run.returncode == code, run.stderr


@shows("unread-bodies")
def test_a_refusal_is_read_though_the_body_goes_on(server: SecureServer, trust: ssl.SSLContext) -> None:
    """A reset would destroy the reply before the client has read it."""
    with connected(server, trust) as connection:
        head = (
            b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 8000000\r\n"
        )
        connection.sendall(head + b"\r\n" + bytes(4_000_000))
        received = connection.recv(65_536)
        assert received.startswith(b"HTTP/1.1 415 ")
        assert b"connection: close" in received


@shows("tls-handshakes")
def test_clients_that_send_no_tls_or_nothing_delay_no_other(ours: Authority, trust: ssl.SSLContext) -> None:
    env = {"PENSTOCK_LIMITS_TLS_HANDSHAKE_S": "4", "PENSTOCK_LIMITS_CONNECTIONS_MAX": "50", "PENSTOCK_DRAIN_S": "20"}
    with SecureServer(*flags(ours), env=env) as server, ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        silent = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(20)]
        with socket.create_connection(address, 20) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP")
        until(lambda: "a client's TLS handshake failed: HTTP_REQUEST" in server.log)
        assert post(server, trust, b'{"input": "Hi"}')[0] == 200
        assert ended(silent[0])  # after the time for a handshake
        for _ in range(20):
            stack.enter_context(socket.create_connection(address, 20))
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 3.5  # and not the time for a handshake
    assert "Traceback" not in server.log


@shows("tls-handshakes")
def test_an_idle_client_delays_no_stop(ours: Authority, trust: ssl.SSLContext) -> None:
    with SecureServer(*flags(ours)) as server, connected(server, trust) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 4  # and not `linger_s`
        while idle.recv(1000):  # an orderly end, and no reset
            pass


@shows("slow-readers")
def test_a_slow_client_reads_its_whole_reply(ours: Authority, trust: ssl.SSLContext) -> None:
    """Also where the connection ends with the reply, and the reply is longer than the buffers of the system."""
    with SecureServer(*flags(ours), env={"PENSTOCK_LIMITS_LINGER_S": "0.5"}) as server, socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", server.port))
        with trust.wrap_socket(raw, server_hostname="127.0.0.1") as slow:
            body = b'{"input": "Hi", "instructions": "%b"}' % (b"." * 12_000_000)  # which the reply repeats
            lines = "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            slow.sendall(f"{lines}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            received = slow.recv(16_384)
            time.sleep(2)
            while piece := slow.recv(65_536):
                received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        [length] = re.findall(rb"content-length: (\d+)", head)
        assert len(rest) == int(length) > 10_000_000


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


@shows("tls-handshakes")
def test_handshakes_that_wait_are_bounded(ours: Authority, trust: ssl.SSLContext) -> None:
    env = {"PENSTOCK_LIMITS_TLS_HANDSHAKE_S": "3", "PENSTOCK_LIMITS_CONNECTIONS_MAX": "5"}
    with SecureServer(*flags(ours), env=env) as server, ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        waiting = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(5)]
        time.sleep(0.2)
        with socket.create_connection(address, 20) as further:
            assert ended(further)
        assert all(map(ended, waiting))
        until(lambda: is_answered(server, trust))


def is_answered(server: SecureServer, trust: ssl.SSLContext) -> bool:
    try:
        return post(server, trust, b'{"input": "Hi"}')[0] == 200
    except OSError:
        return False


@shows("certificate-reload")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_renewed_certificate_is_used_after_a_signal(
    ours: Authority, trust: ssl.SSLContext, tmp_path: Path, workers: str
) -> None:
    files = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    renew(files, ours.issue("first"))
    arguments = ["--tls-cert", str(files[0]), "--tls-key", str(files[1]), "--workers", workers]
    with SecureServer(*arguments) as server:
        old = connected(server, trust)
        assert common_name(server, trust) == "first"
        files[1].write_text("no key")
        server.process.send_signal(signal.SIGHUP)
        count = int(workers)
        until(lambda: server.log.count("the old one stays in use: tls_key: cannot use") == count)
        assert common_name(server, trust) == "first"
        renew(files, ours.issue("second"))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log.count("the certificate was loaded again from") == count)
        assert {common_name(server, trust) for _ in range(4)} == {"second"}
        old.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert old.recv(100).startswith(b"HTTP/1.1 200")
        old.close()


@shows("certificate-reload")
def test_a_renewed_certificate_is_found(ours: Authority, trust: ssl.SSLContext, tmp_path: Path) -> None:
    """In one file with its key, and replaced through a symbolic link, as Kubernetes does with secrets."""
    for name in ("first", "second"):
        cert, key = ours.issue(name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.pem").write_text(cert.read_text() + key.read_text())
    link = tmp_path / "current"
    link.symlink_to("first")
    env = {"PENSTOCK_LIMITS_TLS_CHECK_S": "0.2"}
    with SecureServer("--tls-cert", str(link / "tls.pem"), env=env) as server:
        assert common_name(server, trust) == "first"
        (tmp_path / "next").symlink_to("second")
        (tmp_path / "next").replace(link)
        until(lambda: common_name(server, trust) == "second")
        time.sleep(0.5)
        assert server.log.count("the certificate was loaded again") == 1


def renew(files: list[Path], issued: tuple[Path, Path]) -> None:
    for file, new in zip(files, issued, strict=True):
        copyfile(new, file)


def encrypted(folder: Path, key: Path) -> Path:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    file = folder / "encrypted.pem"
    how = serialization.BestAvailableEncryption(b"secret")
    file.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
    return file


Wrong = Callable[[Path, Path, Path], tuple[str, str]]
WRONG: dict[str, Wrong] = {
    "tls_cert: cannot use .*/none.pem: no such file or directory": lambda cert, key, other: (
        str(cert.parent / "none.pem"),
        str(key),
    ),
    "tls_key: cannot use .*/none.pem: no such file or directory": lambda cert, key, other: (
        str(cert),
        str(cert.parent / "none.pem"),
    ),
    "tls_cert: cannot use .*: is a directory": lambda cert, key, other: (str(cert.parent), str(key)),
    "tls_cert: cannot use .*: it has no certificate in PEM": lambda cert, key, other: (str(key), str(key)),
    "tls_key: cannot use .*: it has no key in PEM": lambda cert, key, other: (str(cert), str(cert)),
    "tls_cert: cannot use .*: it has no key in PEM": lambda cert, key, other: (str(cert), ""),
    "tls_key: cannot use .*: it is the key of another certificate": lambda cert, key, other: (str(cert), str(other)),
    "tls_key: cannot use .*: its key needs a password": lambda cert, key, other: (
        str(cert),
        str(encrypted(cert.parent, key)),
    ),
}


@shows("tls-files")
@pytest.mark.parametrize("problem", WRONG)
def test_wrong_files_are_named(tmp_path: Path, problem: str) -> None:
    authority = Authority(tmp_path, "ours")
    cert, key = WRONG[problem](*authority.issue("server"), authority.issue("other")[1])
    with pytest.raises(SettingsError) as caught:
        server_context(cert, key or None)
    assert re.fullmatch(problem, str(caught.value))


@shows("tls-files")
def test_wrong_files_end_the_start(tmp_path: Path) -> None:
    variables = environment() | {"PENSTOCK_STORE": "none://", "XDG_STATE_HOME": str(tmp_path)}
    run = subprocess.run(
        [*COMMAND, "--tls-cert", str(tmp_path / "none.pem")],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert re.fullmatch("penstock: tls_cert: cannot use .*/none.pem: no such file or directory\n", run.stderr)


def test_a_hangup_without_a_certificate_stops_the_server() -> None:
    with PenstockServer() as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(20) == 0
