"""Locust behaviours for any Responses API server: users who ask for JSON, and users who read streams.

Run `locust -f bench/locustfile.py [--host http://127.0.0.1:PORT] [JsonUser] [StreamUser]`. Without `--model` the
first model that the server lists is asked, so that it works with any server as it comes. Each good stream adds
rows of the type `SSE`, in milliseconds: `first event`, `first delta` and `whole stream` since the request was
sent, `gap mean` and `gap max` between deltas. Locust measures behaviour and percentiles; one process of it
cannot load a fast server to its limit (see `bench/README.md`).
"""

import contextlib
import json
import time
import urllib.request
from argparse import Namespace
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from locust import FastHttpUser, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ResponseContextManager
from locust.env import Environment

HOST = "http://127.0.0.1:8080"
"""Where `make serve` listens."""
PATH = "/v1/responses"
SSE_END = b"data: [DONE]\n\n"
DELTA = b"event: response.output_text.delta\n"
COMPLETED = b"event: response.completed\n"


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: LocustArgumentParser) -> None:
    """Let the command line (or the web form) choose the model and the prompt."""
    help_of_model = "model to ask for; without one, the first that the server lists"
    parser.add_argument("--model", default="", help=help_of_model, env_var="BENCH_MODEL")
    parser.add_argument("--prompt", default="Count.", help="text to send as the input", env_var="BENCH_PROMPT")
    parser.add_argument("--api-key", default="none", is_secret=True, env_var="BENCH_API_KEY")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def choose_model(environment: Environment, **_: Any) -> None:
    """Ask the server for its models, once for all users, where none was named."""
    options = environment.parsed_options
    if options.model:
        return
    url = f"{environment.host or HOST}/v1/models"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {options.api_key}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        listed = json.load(reply)["data"]
    if not listed:
        raise ValueError(f"{url} lists no model: name one with --model")
    # spec: locust-as-it-comes
    options.model = listed[0]["id"]


class ResponsesUser(FastHttpUser):
    """What all users share: the request, and the wait between two of them."""

    abstract = True
    host = HOST
    wait_time = constant(0)

    def ask(self, name: str, *, stream: bool) -> ResponseContextManager:
        """POST one request; the caller judges the reply in a `with` block."""
        options: Namespace = self.environment.parsed_options
        body: dict[str, Any] = {"model": options.model, "input": options.prompt, "store": False}
        return self.client.post(
            PATH,
            name=name,
            data=json.dumps(body | {"stream": stream}),
            headers={"content-type": "application/json", "authorization": f"Bearer {options.api_key}"},
            stream=stream,
            catch_response=True,
        )

    def report(self, name: str, elapsed_s: float, size_bytes: int = 0) -> None:
        """Give locust one more figure, as if it were a request of the type `SSE`."""
        self.environment.events.request.fire(
            request_type="SSE",
            name=name,
            response_time=elapsed_s * 1000,
            response_length=size_bytes,
            exception=None,
            context={},
        )


class JsonUser(ResponsesUser):
    """Asks for whole Responses."""

    @task
    def create(self) -> None:
        """Ask once and check that the Response is completed."""
        with self.ask("json", stream=False) as reply:
            if reply.status_code == 200 and reply.json().get("status") != "completed":
                reply.failure("the Response is not completed")


class StreamUser(ResponsesUser):
    """Reads streams event by event, as they come."""

    @task
    def create(self) -> None:
        """Read one stream to its end; report its first event, its first delta and its gaps."""
        started_s = time.perf_counter()
        with self.ask("stream: headers", stream=True) as reply:
            arrivals = [(event, time.perf_counter() - started_s) for event in sse_events(reply)]
            if reply.status_code != 200:
                return  # locust counts the status itself
            if fault := fault_of([event for event, _ in arrivals]):
                reply.failure(fault)
            else:
                self.report_stream(arrivals)

    def report_stream(self, arrivals: list[tuple[bytes, float]]) -> None:
        """Report the figures of a good stream; `arrivals` are events with their seconds since the request."""
        deltas_s = [at_s for event, at_s in arrivals if event.startswith(DELTA)]
        self.report("first event", arrivals[0][1])
        self.report("whole stream", arrivals[-1][1], sum(len(event) for event, _ in arrivals))
        if deltas_s:
            self.report("first delta", deltas_s[0])
        if gaps_s := [later - earlier for earlier, later in pairwise(deltas_s)]:
            self.report("gap mean", sum(gaps_s) / len(gaps_s))
            self.report("gap max", max(gaps_s))


def sse_events(reply: ResponseContextManager) -> Iterator[bytes]:
    """Yield the events as they arrive; `iter_content` would wait until a whole buffer is full."""
    with contextlib.suppress(*FAILURE_EXCEPTIONS):  # a cut stream lacks its end, which is fault enough
        while event := reply.stream.readline(sep=b"\n\n"):
            yield event


def fault_of(seen: list[bytes]) -> str | None:
    """Return why a stream is bad, or None."""
    if not seen or seen[-1] != SSE_END:
        return "the stream does not end with [DONE]"
    if sum(event.startswith(COMPLETED) for event in seen) != 1:
        return "not exactly one response.completed"
    return None
