"""Users of a Responses API server for locust: JSON, streams, chains, background responses, WebSocket, coding agents.

Run `locust -f bench/locustfile.py [--host http://127.0.0.1:PORT] [JsonUser] [StreamUser] …`; without names, all users
take part. `ResponsesUser` of the package sends, checks and counts; its options are in `locust -f … --help`. With
`-f bench/locustfile.py,bench/ramps.py` the number of users follows `--stages`.
"""

import sys
import time
from functools import cache
from pathlib import Path

from locust import events, task
from locust.argument_parser import LocustArgumentParser

from penstock_adapters.locust_users import ResponsesUser

sys.path.append(str(Path(__file__).parent.parent))  # locust adds the folder of this file alone
from bench.agent_body import STEPS, Json, agent_turn

CHAIN_TURNS = 5


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Let the command line (or the web form) set how long an agent's tools run."""
    parser.add_argument("--tool-s", type=float, default=0.0, help="how long the tools of an agent run between turns")


class JsonUser(ResponsesUser):
    """Asks for whole Responses."""

    @task
    def ask(self) -> None:
        """Ask once."""
        self.create("json")


class StreamUser(ResponsesUser):
    """Reads streams."""

    @task
    def read(self) -> None:
        """Read one."""
        self.stream("stream")


class ChainUser(ResponsesUser):
    """Has conversations that the server stores: each turn names the one before."""

    @task
    def converse(self) -> None:
        """Send the turns of one chain."""
        previous: Json = {}
        for _ in range(CHAIN_TURNS):
            answer = self.create("chain", store=True, **previous)
            if answer is None:
                return
            previous = {"previous_response_id": answer.id}


class BackgroundUser(ResponsesUser):
    """Starts Responses in the background and asks for them until they have ended."""

    @task
    def start_and_poll(self) -> None:
        """Start one."""
        self.background("background")


class WebSocketUser(ResponsesUser):
    """Sends turns on one WebSocket; nothing is stored, and the connection remembers the turn before."""

    @task
    def converse(self) -> None:
        """Send the turns of one chain."""
        previous: Json = {}
        for _ in range(CHAIN_TURNS):
            answer = self.turn("websocket", **previous)
            if answer is None:
                return
            previous = {"previous_response_id": answer.id}


class AgentUser(ResponsesUser):
    """A coding agent, as Codex works: bodies of 60 to 81 kB that grow with each turn, and small requests between."""

    @task
    def session(self) -> None:
        """Do one piece of work: a title, then turns with tools between them."""
        self.create("agent: title", input="Give this conversation a title of at most five words.")
        for steps in range(STEPS + 1):
            if self.stream("agent: turn", **turn(steps)) is None:
                return
            time.sleep(self.environment.parsed_options.tool_s)


@cache
def turn(steps: int) -> Json:
    """Return the body of an agent's turn after so many calls of tools."""
    return agent_turn(steps)
