"""Ramps for locust: the number of users follows a list of stages.

Run `locust -f bench/locustfile.py,bench/ramps.py --headless --stages 10x30,50x60,200x60`: 10 users for 30 s, then 50
for 60 s, then 200 for 60 s, and the end. `-r` is how many users start or stop a second between two stages.
"""

from argparse import ArgumentTypeError
from itertools import accumulate

from locust import LoadTestShape, events
from locust.argument_parser import LocustArgumentParser

USERS_MAX = 10_000
SECONDS_MAX = 86_400.0


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Add the option with the stages."""
    parser.add_argument("--stages", type=checked, default="1x10,10x10,50x10", help="USERSxSECONDS,USERSxSECONDS,…")


def checked(text: str) -> str:
    """Return the text of an option that has stages, and nothing else, in it."""
    for users, seconds in stages_of(text):
        if not (0 <= users <= USERS_MAX and 0 < seconds <= SECONDS_MAX):
            raise ArgumentTypeError(f"{users}x{seconds:g} is not of at most {USERS_MAX}x{SECONDS_MAX:g}")
    return text


def stages_of(text: str) -> list[tuple[int, float]]:
    """Return the stages as users and seconds; raises `ValueError` for what is none."""
    words = [word.partition("x") for word in text.split(",")]
    return [(int(users), float(seconds)) for users, _, seconds in words]


class Stages(LoadTestShape):
    """The users of the stage in which the test is."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are to be, and how many start or stop a second; None ends the test."""
        options = self.runner.environment.parsed_options
        users, seconds = zip(*stages_of(options.stages), strict=True)
        now_s = self.get_run_time()
        for count, end_s in zip(users, accumulate(seconds), strict=True):
            if now_s < end_s:
                return count, options.spawn_rate or 1
        return None
