"""The comparison with servers of others: its table, the reasons for what is absent, and a short run of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bench.comparison_table import ITSELF, Started, summary
from bench.peers import PEERS, Peer
from bench.processes import External, free_port
from bench.report import table
from bench.result_data import Row, Section
from bench.rounds import Contender
from bench.servers import Server, Words, server_at

from requirements import shows
from support.server import ROOT

WITHIN_S = 100


def section(name: str, **figures: dict[str, list[float]]) -> Section:
    return Section(name, name, "penstock", [Row(server.replace("_", "-"), found) for server, found in figures.items()])


def external(name: str) -> Started:
    server = Server(name, (), running_at=1)
    return Started(Contender(server, External(1)))


SECTIONS = [
    section("json", penstock={"cpu_us_per_request": [10.0, 30.0]}, other={"cpu_us_per_request": [50.0, 90.0]}),
    section(
        "one-json",
        upstream_itself={"p50_ms": [1.0, 2.0], "p99_ms": [3.0, 3.0]},
        penstock={"p50_ms": [1.5, 3.5], "p99_ms": [4.0, 6.0]},
    ),
]


def test_the_table_has_what_each_question_found_out() -> None:
    SECTIONS[1].rows.append(Row("other", fault="2 of 9 replies bad"))
    running = [external(ITSELF), external("penstock"), external("other")]
    found = summary(SECTIONS, running, "penstock")
    ours, other = found.rows
    assert (ours.value("added_p50_ms_c1"), ours.value("added_p99_ms_c1")) == (1.0, 2.0)
    assert other.ratio("cpu_us_per_json_reply", ours) == 4.0
    assert "no figures of one-json: 2 of 9 replies bad" in other.absent
    assert "* other: no CPU, memory and start" in table(found, [])


def test_one_that_cannot_be_started_reports_why() -> None:
    started = Started(Contender(Server("other", ("other",)), None, "ended at its start: no such flag"))
    [row] = summary([], [started], "penstock").rows
    assert row.fault == "ended at its start: no such flag"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            (sys.executable, "-c", "raise SystemExit('no such package')"),
            f"{Path(sys.executable).name}: no such package",
        ),
        (("no-such-tool", "install"), "there is no no-such-tool here"),
        ((sys.executable, "-c", ""), "there is no absent after it"),
    ],
)
def test_one_that_cannot_be_installed_reports_why(command: tuple[str, ...], reason: str) -> None:
    peer = Peer(Server("other", ("absent",)), Path("absent"), (command,))
    assert peer.absent_because(lambda _: None) == f"not installed: {reason}"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.server.name)
def test_the_words_of_each_peer_can_be_filled_in(peer: Peer, tmp_path: Path) -> None:
    words = Words(9_000, 9_001, tmp_path)
    command = peer.server.argv(words)
    texts = [*command, *peer.server.variables(words).values()]
    texts += [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()]
    assert any("9000" in text for text in texts)
    assert any("http://127.0.0.1:9001" in text for text in texts)


def test_a_server_by_url_is_on_this_machine() -> None:
    assert server_at("mine=http://127.0.0.1:9000").path == "/v1/responses"
    assert server_at("mine=http://127.0.0.1:9000/api").path == "/api"
    with pytest.raises(SystemExit, match="loopback"):
        server_at("mine=http://192.0.2.1/v1/responses")


@shows("bench-compare")
def test_a_short_comparison() -> None:
    """Of Penstock with a server by its URL, here the upstream itself, which has no figure of its process."""
    port = free_port()
    short = ["--peers", "", "--questions", "json", "--seconds", "0.2", "--rounds", "1", "--starts", "1"]
    named = ["--upstream-port", str(port), "--url", f"mine=http://127.0.0.1:{port}"]
    command = [sys.executable, "-m", "bench.compare", *named, *short]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [line for line in ended.stdout.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[:5]] == ["server", "---", "penstock", "penstock-relay", "mine"]
    assert "* mine: no CPU, memory and start" in ended.stdout
