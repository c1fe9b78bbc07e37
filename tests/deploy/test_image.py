"""The image of the Dockerfile: it is built and started, is well, answers, and stops in order."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import Engine, Postgres, Redis
from conformance.servers import free_port
from deploy.container import READ_ONLY, Image, Running, running
from support.server import ROOT
from support.waiting import until

pytestmark = [pytest.mark.image, pytest.mark.slow]

DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
KEY = "sk-of-the-test"
DRAIN_S = 2


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    [tag] = re.findall(r"^ARG PYTHON=(\S+)", DOCKERFILE, re.MULTILINE)
    folder = tmp_path_factory.mktemp("image")
    built = Image(folder, "penstock")
    try:
        built.build(folder, f"localhost/python:{tag}")
        yield built
    finally:
        built.remove()


def variables(port: int) -> dict[str, str]:
    return {"PENSTOCK_PORT": str(port), "PENSTOCK_API_KEYS": KEY, "PENSTOCK_DRAIN_S": str(DRAIN_S)}


def headers() -> dict[str, str]:
    return {"content-type": "application/json", "authorization": f"Bearer {KEY}"}


@contextmanager
def asked(port: int, model: str = "synthetic", *, stream: bool = False) -> Iterator[http.client.HTTPResponse]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        body = json.dumps({"model": model, "input": "Hi", "stream": stream})
        connection.request("POST", "/v1/responses", body, headers())
        with connection.getresponse() as reply:
            yield reply


def answers(port: int) -> str:
    """The id of a response that is created."""
    with asked(port) as reply:
        response = json.loads(reply.read())
        assert (reply.status, response["status"]) == (200, "completed")
        return str(response["id"])


def stops_within_its_drain(container: Running, port: int) -> None:
    """A stream that would last for minutes ends as incomplete, and the container with it."""
    with asked(port, "synthetic?tokens=5000&itl_ms=100", stream=True) as reply:
        reply.readline()
        assert container.stop() < DRAIN_S + 5
        assert b"event: response.incomplete" in reply.read()


def test_a_container(image: Image, tmp_path: Path) -> None:
    port = free_port()
    name = image.buildah("from", image.name)
    health = [*image.config["Healthcheck"]["Test"]]
    assert health.pop(0) == "CMD"

    def is_healthy() -> bool:
        probe = subprocess.run(
            image.command(name, variables(port), *health), capture_output=True, text=True, check=False, timeout=60
        )
        return (probe.returncode, probe.stdout) == (0, "ok\n")

    main = [*image.config["Entrypoint"], *image.config["Cmd"]]
    assert not is_healthy()
    with running(image.command(name, variables(port), *main), tmp_path / "log") as container:
        until(lambda: is_healthy() or container.process.poll() is not None, 60)
        assert is_healthy(), container.log
        status = Path(f"/proc/{container.pid}/status").read_text(encoding="ascii")
        assert re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1] == image.config["User"].partition(":")[0] != "0"
        answers(port)
        stops_within_its_drain(container, port)
    for line in container.log.splitlines():
        assert "level" in json.loads(line), line


@pytest.mark.parametrize("engine", [Redis, Postgres], ids=["redis", "postgres"])
def test_replicas_share_a_store(image: Image, tmp_path: Path, engine: type[Engine]) -> None:
    """As the Compose file and the overlays of Kubernetes have them: what one replica stores, another one serves."""
    server = engine()
    server.start()
    try:
        name = image.buildah("from", image.name)
        main = [*image.config["Entrypoint"], *image.config["Cmd"]]
        ports, store = (free_port(), free_port()), {"PENSTOCK_STORE": server.location()}
        commands = [image.command(name, variables(port) | store, *main) for port in ports]
        with running(commands[0], tmp_path / "first") as first, running(commands[1], tmp_path / "second") as second:
            for each in (first, second):
                until(lambda each=each: "listening on" in each.log or each.process.poll() is not None, 60)
            made = answers(ports[0])
            with closing(http.client.HTTPConnection("127.0.0.1", ports[1], timeout=20)) as connection:
                connection.request("GET", f"/v1/responses/{made}", headers=headers())
                reply = connection.getresponse()
                assert (reply.status, json.loads(reply.read())["id"]) == (200, made)
            first.stop()
            second.stop()
    finally:
        server.stop()


def test_a_read_only_root_without_privileges(image: Image, tmp_path: Path) -> None:
    """As `docker run --read-only --cap-drop ALL` does: only /tmp and the volume can be written, and it is process 1."""
    port = free_port()
    config = image.config
    root = Path(image.buildah("mount", image.buildah("from", image.name)))
    user = config["User"].partition(":")[0]
    env = [f"{name}={value}" for name, value in variables(port).items()]
    program = [*config["Env"], *env, *config["Entrypoint"], *config["Cmd"]]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", READ_ONLY, "sh"]
    log = tmp_path / "log"
    with running([*unshare, root, " ".join(config["Volumes"]), user, *program], log) as container:
        until(lambda: "listening on" in container.log or container.process.poll() is not None, 60)
        answers(port)
        inside = Path(f"/proc/{container.pid}/root")
        [state] = config["Volumes"]
        assert {"penstock.db", "seal.keys"} <= {path.name for path in (inside / state.lstrip("/")).iterdir()}
        with pytest.raises(OSError, match="Read-only"):
            (inside / "opt/penstock/written").touch()
        stops_within_its_drain(container, port)


def test_without_keys_it_reports_what_is_missing(image: Image, tmp_path: Path) -> None:
    name = image.buildah("from", image.name)
    main = [*image.config["Entrypoint"], *image.config["Cmd"]]
    with running(image.command(name, {}, *main), tmp_path / "log") as container:
        assert container.process.wait(60) == 2
    assert "PENSTOCK_HOST: other machines can reach 0.0.0.0, and there are no API keys" in container.log


def test_the_image_has_no_tools_and_no_second_form(image: Image) -> None:
    config: dict[str, Any] = image.config
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    root = Path(image.buildah("mount", image.buildah("from", image.name)))
    programs = {path.name for path in (root / "opt/penstock/bin").iterdir()}
    assert "penstock" in programs
    assert not programs & {"uv", "pip", "hatchling"}
    [packages] = (root / "opt/penstock/lib").glob("python*/site-packages")
    assert {"redis", "asyncpg", "cryptography"} <= {path.name for path in packages.iterdir()}
    assert list(packages.glob("penstock/__pycache__/service.*.pyc"))
