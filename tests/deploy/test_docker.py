"""The Dockerfile and the Compose file: their validators, and what they name within each other."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from pathlib import Path

from deploy.dockerfile import of, variables_of_image
from deploy.files import DEPLOY, Json, seconds, settings_of, yaml_file
from penstock.settings import load
from penstock_adapters.cli import _parser
from support.server import ROOT

FOLDER = DEPLOY / "docker"
BIN = Path(sys.executable).parent
COMPOSE = yaml_file(FOLDER / "compose.yaml")
SERVICE: Json = COMPOSE["services"]["penstock"]
_DEFAULT = re.compile(r"\$\{(\w+)(?::([-?+])([^}]*))?\}")


def interpolated(text: str, given: dict[str, str]) -> str:
    """The text with `${NAME:-default}`, `${NAME:?message}` and `${NAME:+value}` replaced."""

    def value(match: re.Match[str]) -> str:
        name, sign, other = match.groups()
        found = given.get(name, "")
        if sign == "+":
            return other if found else ""
        assert found or sign != "?", f"{name}: {other}"
        return found or (other if sign == "-" else "")

    return _DEFAULT.sub(value, text)


def test_the_validators_find_nothing() -> None:
    subprocess.run([BIN / "hadolint", FOLDER / "Dockerfile"], check=True)
    schema = ["--builtin-schema", "vendor.compose-spec"]
    subprocess.run([BIN / "check-jsonschema", *schema, FOLDER / "compose.yaml"], check=True)


def test_the_image_has_the_uv_of_the_lock() -> None:
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    [version] = re.findall(r"^uv==(\S+)", lock, re.MULTILINE)
    assert f"UV={version}" in of("ARG")


def test_what_is_copied_is_there_and_is_not_ignored() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = [source for line in of("COPY") if "--from" not in line for source in shlex.split(line)[:-1]]
    assert set(copied) == allowed
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert not any(fnmatch.fnmatch(".env", pattern) or pattern.startswith(".") for pattern in allowed)


def test_the_commands_of_the_image_are_ours() -> None:
    [health] = of("HEALTHCHECK")
    [entry], [command] = of("ENTRYPOINT"), of("CMD")
    probe = re.fullmatch(r'.* CMD \["penstock", (.+)\]', health)
    assert entry == '["penstock"]'
    assert probe is not None
    for arguments in (probe[1], command.strip("[]")):
        assert _parser().parse_args([word.strip(' "') for word in arguments.split(",")])


def test_the_variables_of_the_image_need_a_key_and_nothing_else() -> None:
    settings = settings_of(variables_of_image() | {"PENSTOCK_API_KEYS": "sk-1"})
    assert of("EXPOSE") == [str(settings.port)]
    assert settings.host == "0.0.0.0"


def test_the_state_is_in_the_volume_of_the_user() -> None:
    [volume] = of("VOLUME")
    [user] = of("USER")
    assert f"{variables_of_image()['XDG_STATE_HOME']}/penstock" == volume
    uid, gid = user.split(":")
    assert int(uid) > 0
    assert f"install -d -o {uid} -g {gid} -m 0700 {volume}" in " ".join(of("RUN"))
    assert volume in {mount.split(":")[1] for mount in SERVICE["volumes"]}


def test_the_settings_of_compose_can_be_loaded() -> None:
    given = {
        "PENSTOCK_API_KEYS": "sk-1",
        "PENSTOCK_UPSTREAM": "http://host.docker.internal:8000/v1",
        "UPSTREAM_API_KEY": "k",
    }
    for environment in (given, {"PENSTOCK_API_KEYS": "sk-1"}):
        variables = {name: interpolated(value, environment) for name, value in SERVICE["environment"].items()}
        present = variables_of_image() | {name: value for name, value in variables.items() if value}
        settings = load({}, present)
        assert bool(settings.upstreams) == ("PENSTOCK_UPSTREAM" in environment)
        assert settings.drain_s < seconds(SERVICE["stop_grace_period"])
        scheme, _, address = (settings.store or "").partition("://")
        assert scheme == "redis"
        assert address.split(":")[0] in SERVICE["depends_on"].keys() & COMPOSE["services"].keys()
        assert all(interpolated(port, {}).endswith(f":{settings.port}") for port in SERVICE["ports"])


def test_the_services_of_compose_are_confined() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        volumes = {mount.split(":")[0] for mount in service["volumes"]}
        assert volumes <= COMPOSE["volumes"].keys(), name
    assert SERVICE["build"]["dockerfile"] == "deploy/docker/Dockerfile"
    assert (FOLDER / SERVICE["build"]["context"]).resolve() == ROOT
