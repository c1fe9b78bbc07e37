"""The overlays of Kustomize: rendered by kubectl, valid for the oldest and newest version, and whole in themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest

from deploy.dockerfile import of, variables_of_image
from deploy.files import DEPLOY, Json, documents, settings_of, yaml_file
from penstock.version import VERSION
from penstock_adapters.cli import _parser

FOLDER = DEPLOY / "kubernetes"
OVERLAYS = ("base", "overlays/sidecar", "overlays/redis", "overlays/postgres")
OLDEST = "1.30"
"""The first version with sidecars and `preStop.sleep` switched on."""
KUBECTL = Path(sys.executable).parent / "kubectl"
NAME = "app.kubernetes.io/name"
ELSEWHERE = {"base": {"vllm"}, "overlays/redis": {"vllm"}, "overlays/postgres": {"vllm"}}
"""Pods of others that an overlay names: the model of its upstream."""
SECRETS = {"penstock", "postgres", "huggingface"}
KEYS = {"PENSTOCK_API_KEYS": "sk-1", "PENSTOCK_SEAL_KEYS": "A" * 43, "POSTGRES_PASSWORD": "secret"}
"""What the secrets hold."""
STOP_S = 5
"""What a server needs to end after its drain."""


@cache
def rendered(overlay: str) -> str:
    done = subprocess.run(
        [KUBECTL, "kustomize", FOLDER / overlay], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout


def objects(overlay: str, *kinds: str) -> list[Json]:
    return [each for each in documents(rendered(overlay)) if not kinds or each["kind"] in kinds]


def workloads(overlay: str) -> list[Json]:
    return objects(overlay, "Deployment", "StatefulSet")


def containers(workload: Json) -> list[Json]:
    pod = workload["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def penstock(overlay: str) -> tuple[Json, Json]:
    """The pod with Penstock in it, and its container."""
    [found] = [
        (workload["spec"]["template"]["spec"], container)
        for workload in workloads(overlay)
        for container in containers(workload)
        if container["name"] == "penstock"
    ]
    return found


def variables(overlay: str) -> dict[str, str]:
    """What Kubernetes gives the container: config map, secret, and `env`, which may refer to earlier ones."""
    _, container = penstock(overlay)
    [config] = objects(overlay, "ConfigMap")
    assert {next(iter(each.values()))["name"] for each in container["envFrom"]} == {
        config["metadata"]["name"],
        "penstock",
    }
    given = {**config["data"], "PENSTOCK_API_KEYS": KEYS["PENSTOCK_API_KEYS"]}
    for entry in container.get("env", []):
        value = entry.get("value", KEYS.get(entry["name"], ""))
        given[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda match: given[match[1]], value)
    return given


def selected(selector: Json, overlay: str) -> list[Json]:
    """The workloads whose pods have the labels; at least one."""
    wanted = selector.get("matchLabels", selector)
    assert wanted, "an empty selector means all pods, or none"
    found = [
        each for each in workloads(overlay) if wanted.items() <= each["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert found, wanted
    return found


def ports(workloads: list[Json]) -> dict[str, int]:
    return {
        port["name"]: port["containerPort"]
        for each in workloads
        for box in containers(each)
        for port in box.get("ports", [])
    }


def references(node: Any, kind: str) -> Iterator[Json]:
    """Every mapping with this key, in any depth."""
    if isinstance(node, dict):
        if kind in node:
            yield node[kind]
        for child in node.values():
            yield from references(child, kind)
    elif isinstance(node, list):
        for child in node:
            yield from references(child, kind)


@pytest.mark.parametrize("version", [OLDEST, None], ids=["oldest", "newest"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay: str, version: str | None) -> None:
    for each in objects(overlay):
        kubernetes_validate.validate(each, version or kubernetes_validate.latest_version(), strict=True)


def test_every_file_is_a_part_of_an_overlay() -> None:
    named = {
        (file.parent / each).resolve()
        for file in FOLDER.rglob("kustomization.yaml")
        for part in ("resources", "components", "patches")
        for each in (entry.get("path", "") for entry in _entries(file, part))
    }
    files = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert files <= named


def _entries(file: Path, part: str) -> list[dict[str, str]]:
    return [{"path": each} if isinstance(each, str) else each for each in yaml_file(file).get(part, [])]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_settings_can_be_loaded(overlay: str) -> None:
    settings = settings_of(variables_of_image() | variables(overlay))
    assert settings.has_keys
    [upstream] = settings.upstreams
    url, store = urlsplit(upstream.url), urlsplit(settings.store or "")
    _, container = penstock(overlay)
    assert [port["containerPort"] for port in container["ports"]] == [settings.port]
    assert _parser().parse_args(container["args"]).command == "serve"
    if overlay == "overlays/sidecar":
        assert (url.hostname, url.port) == ("127.0.0.1", ports(workloads(overlay))["vllm"])
    else:
        assert reached(overlay) >= {(url.hostname, url.port)}
    if overlay in ("overlays/redis", "overlays/postgres"):
        [service] = [each for each in objects(overlay, "Service") if each["metadata"]["name"] == store.hostname]
        assert [port["port"] for port in service["spec"]["ports"]] == [store.port]
        assert (store.hostname, store.port) in reached(overlay)
        assert "$" not in (settings.store or "")
    else:
        assert settings.store == "memory://"


def reached(overlay: str) -> set[tuple[str | None, int | None]]:
    """The pods and ports that Penstock's policy lets it reach."""
    [policy] = [each for each in objects(overlay, "NetworkPolicy") if each["metadata"]["name"] == "penstock"]
    return {
        (peer["podSelector"]["matchLabels"].get(NAME), port["port"])
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        for port in rule["ports"]
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_ends_in_order(overlay: str) -> None:
    pod, container = penstock(overlay)
    sleeps = [
        each["lifecycle"]["preStop"]["sleep"]["seconds"]
        for each in (*pod["containers"], container)
        if "lifecycle" in each
    ]
    assert max(sleeps) >= STOP_S
    drain_s = settings_of(variables(overlay)).drain_s
    assert max(sleeps) + drain_s + STOP_S <= pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_sidecar_is_one(overlay: str) -> None:
    pod, container = penstock(overlay)
    is_sidecar = container in pod.get("initContainers", [])
    assert is_sidecar == (overlay == "overlays/sidecar") == (container.get("restartPolicy") == "Always")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_name_ports_and_paths_of_ours(overlay: str) -> None:
    for workload in workloads(overlay):
        for container in containers(workload):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), container["name"]
            names = {port["name"] for port in container["ports"]}
            for kind in ("httpGet", "tcpSocket"):
                assert {probe["port"] for probe in references(container, kind)} <= names
    _, container = penstock(overlay)
    paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert paths == ["/healthz", "/healthz", "/readyz"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_containers_are_confined(overlay: str) -> None:
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(workload):
            context = pod["securityContext"] | container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert container["image"].partition(":")[2] not in ("", "latest")
            if container["name"] != "vllm":
                assert context["readOnlyRootFilesystem"] is True
                assert context["runAsNonRoot"] is True
                assert context["runAsUser"] > 0


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_image_is_that_of_the_dockerfile(overlay: str) -> None:
    pod, container = penstock(overlay)
    assert container["image"] == f"penstock:{VERSION}"
    context = pod["securityContext"] | container["securityContext"]
    assert of("USER") == [f"{context['runAsUser']}:{context['runAsGroup']}"]
    [volume] = of("VOLUME")
    assert {volume, "/tmp"} == {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_named_is_there(overlay: str) -> None:
    every = objects(overlay)
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        claims = workload["spec"].get("volumeClaimTemplates", [])
        volumes = {each["name"] for each in pod.get("volumes", [])} | {each["metadata"]["name"] for each in claims}
        mounted = {mount["name"] for each in containers(workload) for mount in each["volumeMounts"]}
        assert mounted == volumes
        account = pod.get("serviceAccountName")
        assert account is None or account in {
            each["metadata"]["name"] for each in every if each["kind"] == "ServiceAccount"
        }
        assert workload in selected(workload["spec"]["selector"], overlay)
        service = workload["spec"].get("serviceName")
        assert service is None or service in {each["metadata"]["name"] for each in every if each["kind"] == "Service"}
    secrets = {each["name"] for kind in ("secretRef", "secretKeyRef") for each in references(every, kind)}
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert secrets <= SECRETS
    assert all(f"create secret generic {name}" in readme or name == "huggingface" for name in secrets)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_lead_to_ports(overlay: str) -> None:
    for service in objects(overlay, "Service"):
        named = ports(selected(service["spec"]["selector"], overlay))
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= named.keys()
    assert "penstock" in {service["metadata"]["name"] for service in objects(overlay, "Service")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_policies_are_about_pods_that_exist(overlay: str) -> None:
    guarded = []
    for policy in objects(overlay, "NetworkPolicy"):
        spec = policy["spec"]
        chosen = selected(spec["podSelector"], overlay)
        guarded += chosen
        assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
        for rule in spec["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= ports(chosen).keys()
        peers = [peer["podSelector"] for rule in spec["ingress"] for peer in rule["from"] if peer["podSelector"]]
        peers += [peer["podSelector"] for rule in spec.get("egress", []) for peer in rule.get("to", [])]
        for peer in peers:
            labels = peer["matchLabels"]
            assert (
                labels == {"k8s-app": "kube-dns"}
                or labels.get(NAME) in ELSEWHERE.get(overlay, set())
                or selected(peer, overlay)
            )
    assert [each["metadata"]["name"] for each in guarded] == [each["metadata"]["name"] for each in workloads(overlay)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_budget_lets_nodes_be_emptied(overlay: str) -> None:
    [budget] = objects(overlay, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    [workload] = selected(budget["spec"]["selector"], overlay)
    assert "penstock" in {container["name"] for container in containers(workload)}


@pytest.mark.parametrize("overlay", ["overlays/redis", "overlays/postgres"])
def test_the_scaled_ones_scale(overlay: str) -> None:
    [scaler] = objects(overlay, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    [workload] = [each for each in workloads(overlay) if each["metadata"]["name"] == target["name"]]
    assert (workload["apiVersion"], workload["kind"]) == (target["apiVersion"], target["kind"])
    assert "replicas" not in workload["spec"]  # else each `apply` would undo what the autoscaler did
    assert scaler["spec"]["minReplicas"] >= 2
    [spread] = workload["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert workload in selected(spread["labelSelector"], overlay)
