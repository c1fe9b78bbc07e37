"""Images and files by URL in front of an upstream that takes data only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from requirements import shows
from support.ignored_headers import post
from support.server import PenstockServer
from support.steps import Json
from support.upstream import ScriptedUpstream

Start = Callable[..., PenstockServer]
PNG = b"\x89PNG\r\n\x1a\n"


class Site(BaseHTTPRequestHandler):
    """A picture, a file, and a redirect to a forbidden address."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("location", "http://169.254.169.254/")
        else:
            self.send_header("content-type", "image/png" if self.path == "/cat.png" else "application/pdf")
        self.send_header("content-length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG)

    def log_message(self, format: str, *arguments: object) -> None:
        return


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def started(start: Start, upstream: ScriptedUpstream, allow: str) -> PenstockServer:
    toml = f"""
        egress.allow = [{allow!r}]
        [[upstreams]]
        name = "local"
        url = "{upstream.url}"
        fetch_urls = true
    """
    return start(toml=toml, PENSTOCK_STORE="memory://")


def asking(*parts: Json) -> Json:
    return {"model": "text", "input": [{"role": "user", "content": [*parts, {"type": "input_text", "text": "What?"}]}]}


@shows("inlined-urls")
def test_the_upstream_gets_data(start: Start, upstream: ScriptedUpstream, endpoint: str) -> None:
    server = started(start, upstream, endpoint)
    image = {"type": "input_image", "image_url": f"http://{endpoint}/cat.png"}
    file = {"type": "input_file", "file_url": f"http://{endpoint}/a.pdf"}
    first = post(server.url, asking(image, file)).response
    picture, document, _ = upstream.completion(0).body["messages"][0]["content"]
    assert picture["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert document["file"] == {"file_data": "data:application/pdf;base64,iVBORw0KGgo=", "filename": "a.pdf"}
    post(server.url, {"model": "text", "input": "And?", "previous_response_id": first["id"]})
    assert upstream.completion(1).body["messages"][0]["content"][0] == picture


@shows("inlined-urls", "egress")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.png", "http://169.254.169.254/x.png", "http://{}/away"])
def test_what_may_not_be_fetched_is_an_error_of_its_part(
    start: Start, upstream: ScriptedUpstream, endpoint: str, url: str
) -> None:
    server = started(start, upstream, endpoint)
    reply = post(server.url, asking({"type": "input_image", "image_url": url.format(endpoint)}) | {"stream": True})
    assert (reply.status, reply.error["param"]) == (400, "input[0].content[0].image_url")
    assert upstream.requests == []
