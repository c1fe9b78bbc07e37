"""The metrics of a server, read as Prometheus' own Python package reads them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from support.raw import ask
from support.server import PenstockServer


class Metrics:
    """What one scrape has."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the series with these labels, of which there is at least one."""
        found = [each.value for each in self.samples if each.name == name and labels.items() <= each.labels.items()]
        assert found, f"there is no series {name} {labels}"
        return sum(found)

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {sample.labels[label] for sample in self.samples if sample.name == name}


def scrape(server: PenstockServer, **headers: str) -> Metrics:
    """The metrics of a running server."""
    reply = ask(server.base, "GET", "/metrics", headers=headers)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return Metrics(reply.body.decode())
