"""The baseline: one Starlette route under uvicorn that reads the request and returns fixed bytes.

No validation, no upstream, no state: what remains is the cost of the server and the framework. A request
with `"stream": true` gets a fixed 200-delta event stream: in one send (`--sends one`), or one send per event
(`--sends each`), which is what a server without batches does.
"""

import argparse
import re
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bench import bodies

STREAM = re.compile(rb'"stream"\s*:\s*true')


def bare_app(each: bool) -> Starlette:
    """Return the application; `each` sends every event of a stream on its own."""
    body = bodies.response_json(bodies.DEFAULT_DELTAS)
    events = bodies.response_events(bodies.DEFAULT_DELTAS)
    joined = b"".join(events)

    async def one_by_one() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    async def respond(request: Request) -> Response:
        if not STREAM.search(await request.body()):
            return Response(body, media_type="application/json")
        if each:
            return StreamingResponse(one_by_one(), media_type="text/event-stream")
        return Response(joined, media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/responses", respond, methods=["POST"])])


def main() -> None:
    """Run the bare endpoint from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sends", choices=("one", "each"), default="one")
    arguments = parser.parse_args()
    uvicorn.run(
        bare_app(arguments.sends == "each"),
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
