"""Full load: a thousand paced streams on one core, and how long a new connection waits for `/healthz` meanwhile.

Run by hand: `python -m bench.saturation [--streams 1000] [--intervals-ms 20,50] [--checkout NAME=PATH]`. Of each
server: how much of the upstream's pace its streams hold (the time that 200 deltas take there, by the median time that
they took), the CPU of its core, and the time from `connect` to the reply of `GET /healthz`, asked by a new connection
ten times a second.
"""

import argparse
import contextlib
import http.client
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from bench.figures import LoadResult
from bench.load import GRACE_S
from bench.processes import ROOT, Child, cores, prepare
from bench.rounds import load_command, start, start_upstream
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import SERVERS, Server, checkout_of, with_checkouts

PACED = next(scenario for scenario in SCENARIOS if scenario.name == "stream-paced")
RAMP_S = 2.0
"""So long the streams are begun; what is seen later is full load."""
ASK_EVERY_S = 0.1
HEALTH_WAIT_MAX_S = 30.0
HEADINGS = "| server | interval ms | pace held % | CPU of a core % | /healthz p50 ms | max ms | bad |"


def health_s(port: int) -> float:
    """Return the seconds that a new connection waits for the reply; infinity where none comes."""
    began_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HEALTH_WAIT_MAX_S)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
    except OSError:
        return float("inf")
    finally:
        connection.close()
    return time.perf_counter() - began_s


def waits_s(loading: subprocess.Popen[bytes], port: int) -> Iterator[float]:
    """Yield how long new connections wait, until the load is over."""
    while loading.poll() is None:
        yield health_s(port)
        time.sleep(ASK_EVERY_S)


def measure(server: Server, child: Child, scenario: Scenario, seconds: float, interval_ms: int) -> str:
    """Load the server and return its line of the table."""
    command = load_command(server, child.port, scenario, seconds, scenario.connections or 1)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=prepare(cores()[1])) as loading:  # noqa: PLW1509
        time.sleep(RAMP_S)
        cpu_s, began_s = child.cpu_s(), time.perf_counter()
        waits = list(waits_s(loading, child.port))
        busy = (child.cpu_s() - cpu_s) / (time.perf_counter() - began_s)
        output, _ = loading.communicate(timeout=GRACE_S)
    result = msgspec.json.decode(output, type=LoadResult)
    whole_ms = result.latency.p50_ms if result.latency else float("inf")
    held = scenario.deltas * interval_ms / whole_ms
    waited = f"{statistics.median(waits) * 1000:.0f} | {max(waits) * 1000:.0f}"
    return f"| {server.name} | {interval_ms} | {held:.0%} | {busy:.0%} | {waited} | {result.failures} |".replace(
        "%", ""
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--intervals-ms", default="20,50")
    parser.add_argument("--checkout", action="append", default=[], metavar="NAME=PATH")
    options = parser.parse_args(argv)
    penstock = [server for server in SERVERS if server.name == "penstock"]
    servers = list(with_checkouts(penstock, map(checkout_of, options.checkout)))
    print(f"{HEADINGS}\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for interval_ms in map(int, options.intervals_ms.split(",")):
        scenario = replace(PACED, model=f"stream-200-{interval_ms}ms", connections=options.streams)
        seconds = RAMP_S + 2 * scenario.deltas * interval_ms / 1000
        for server in servers:
            with contextlib.ExitStack() as stack:
                child = start(stack, server, start_upstream(stack))
                print(measure(server, child, scenario, seconds, interval_ms), flush=True)


if __name__ == "__main__":
    main()
