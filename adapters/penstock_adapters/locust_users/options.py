"""The command line options of a locustfile with `ResponsesUser`, and the choice of a model where none is named."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

HOST = "http://127.0.0.1:8080"
"""Where `penstock serve` listens."""
MODELS_TIMEOUT_S = 10


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add the options. The web form of locust has them too, and a master passes them to its workers."""
    add = parser.add_argument
    add("--model", default="", help="the model of requests; default: the first that the server lists")
    add("--prompt", default="Count.", help="the input of requests that have no other")
    add("--api-key", default="none", is_secret=True, env_var="PENSTOCK_KEY", help="sent as a bearer token")
    add("--think-min", type=float, default=0.0, help="the shortest wait between two tasks of a user, in seconds")
    add("--think-max", type=float, default=0.0, help="the longest")


@events.test_start.add_listener
def choose_model(environment: Environment, **_: Any) -> None:
    """Ask the server for its models, once for all users, where none is named. Raises `ValueError` without models."""
    options = environment.parsed_options
    if options.model:
        return
    url = f"{environment.host or HOST}/v1/models"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {options.api_key}"})
    with urllib.request.urlopen(request, timeout=MODELS_TIMEOUT_S) as reply:
        listed = json.load(reply)["data"]
    if not listed:
        raise ValueError(f"{url} lists no model: name one with --model")
    # spec: locust-as-it-comes
    options.model = listed[0]["id"]
