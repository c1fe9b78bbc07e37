"""Ways to an upstream: certificates of one's own, and proxies."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from live.conftest import Start
from requirements import shows
from support.certificates import Authority
from support.ignored_headers import CheckedReply, post
from support.proxy import Proxy
from support.scripts import EXPECT_HELLO, HELLO_TURN
from support.server import PenstockServer
from support.steps import Script
from support.upstream import ScriptedUpstream
from support.waiting import until

Serve = Callable[..., ScriptedUpstream]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


@pytest.fixture
def secure(ours: Authority) -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream({"m": Script(HELLO_TURN, EXPECT_HELLO)}, ours.server()) as running:
        yield running


def config(upstream: ScriptedUpstream, **tls: object) -> str:
    text = ", ".join(
        f'{name} = "{value}"' if not isinstance(value, bool) else f"{name} = true" for name, value in tls.items()
    )
    return f'[[upstreams]]\nname = "safe"\nurl = "{upstream.url}"\ntls = {{ {text} }}\n'


def asked(server: PenstockServer) -> CheckedReply:
    return post(server.url, {"model": "m", "input": "Hello?"})


def test_an_authority_of_ones_own(start: Start, secure: ScriptedUpstream, ours: Authority) -> None:
    assert asked(start(toml=config(secure, ca_file=ours.ca_file))).response["status"] == "completed"


@pytest.mark.parametrize("trusts", ["the system's", "another's"])
def test_a_certificate_that_is_not_trusted(
    start: Start, secure: ScriptedUpstream, theirs: Authority, trusts: str
) -> None:
    files = {"ca_file": theirs.ca_file} if trusts == "another's" else {}
    reply = asked(start(toml=config(secure, **files)))
    assert reply.status == 502
    assert "certificate is not trusted" in reply.error["message"]
    assert str(secure.port) not in reply.error["message"]
    assert not secure.requests


def test_a_certificate_for_another_host(start: Start, ours: Authority) -> None:
    with ScriptedUpstream({}, ours.server(address="127.0.0.9")) as elsewhere:
        reply = asked(start(toml=config(elsewhere, ca_file=ours.ca_file)))
    assert reply.status == 502
    assert "certificate is not trusted" in reply.error["message"]


def test_a_disabled_check_is_logged(start: Start, secure: ScriptedUpstream) -> None:
    server = start(toml=config(secure, insecure=True))
    assert asked(server).response["status"] == "completed"
    until(lambda: "upstream safe: its certificate is not checked" in server.log)


def test_a_certificate_to_show(start: Start, ours: Authority) -> None:
    with ScriptedUpstream({"m": Script(HELLO_TURN, EXPECT_HELLO)}, ours.server(wants_certificate=True)) as strict:
        cert_file, key_file = ours.issue("client")
        known = start(toml=config(strict, ca_file=ours.ca_file, cert_file=cert_file, key_file=key_file))
        unknown = start(toml=config(strict, ca_file=ours.ca_file))
        assert asked(known).response["status"] == "completed"
        assert asked(unknown).status == 502
        assert len(strict.completions) == 1


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
def test_an_unusable_file_is_reported_at_the_start(secure: ScriptedUpstream, tmp_path: Path, name: str) -> None:
    wrong = tmp_path / "wrong.pem"
    for text, reason in [(None, "no such file or directory"), ("no PEM", "it (is not|has no certificate in) PEM")]:
        if text:
            wrong.write_text(text)
        with pytest.raises(AssertionError, match=f"upstream safe: tls.{name}: cannot use .*wrong.pem: {reason}"):
            PenstockServer(toml=config(secure, **{name: wrong})).start()


# Proxies.


def through(upstream: ScriptedUpstream, proxy: str, more: str = "") -> str:
    return f'[[upstreams]]\nname = "far"\nurl = "{upstream.url}"\nproxy = "{proxy}"\n{more}'


def test_a_proxy(start: Start, upstream: ScriptedUpstream) -> None:
    with Proxy() as proxy:
        server = start(toml=through(upstream, f"http://me:secret@127.0.0.1:{proxy.port}"))
        reply = post(server.url, {"model": "text", "input": "Hello?"})
        assert reply.response["status"] == "completed"
    asked = [f"GET {upstream.url}/models HTTP/1.1", f"POST {upstream.url}/chat/completions HTTP/1.1"]
    assert proxy.asked == asked
    assert proxy.credentials == ["Basic " + base64.b64encode(b"me:secret").decode()]
    assert "secret" not in server.log


def test_a_tunnel_through_a_proxy(start: Start, secure: ScriptedUpstream, ours: Authority) -> None:
    with Proxy() as proxy:
        tls = f'tls = {{ ca_file = "{ours.ca_file}" }}'
        server = start(toml=through(secure, f"http://127.0.0.1:{proxy.port}", tls))
        assert asked(server).response["status"] == "completed"
    assert proxy.asked == [f"CONNECT 127.0.0.1:{secure.port} HTTP/1.1"]


@pytest.mark.parametrize("tunnels", [True, False])
def test_a_proxy_that_refuses(
    start: Start, secure: ScriptedUpstream, upstream: ScriptedUpstream, tunnels: bool
) -> None:
    with Proxy(refuse=407) as proxy:
        reply = asked(start(toml=through(secure if tunnels else upstream, f"http://127.0.0.1:{proxy.port}")))
    assert (reply.status, reply.error["message"]) == (
        502,
        "The upstream cannot be reached: its proxy answered with status 407",
    )


def test_a_proxy_that_is_not_there(start: Start, upstream: ScriptedUpstream) -> None:
    reply = asked(start(toml=through(upstream, "http://127.0.0.1:1")))
    assert (reply.status, reply.error["message"]) == (
        502,
        "The upstream cannot be reached: its proxy cannot be reached",
    )


@shows("environment-proxies")
def test_a_proxy_of_the_environment(start: Start, upstream: ScriptedUpstream) -> None:
    far = f"http://model.test:{upstream.port}/v1"
    toml = f'[[upstreams]]\nname = "far"\nurl = "{far}"\n'
    with Proxy(hosts={"model.test": "127.0.0.1"}) as proxy:
        env = {"HTTP_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}", "NO_PROXY": "other.test"}
        server = start(toml=toml, **env)
        reply = post(server.url, {"model": "text", "input": "Hello?"})
        assert reply.response["status"] == "completed"
        assert proxy.asked == [f"GET {far}/models HTTP/1.1", f"POST {far}/chat/completions HTTP/1.1"]
        assert "upstream far is reached through the proxy of HTTP_PROXY" in server.log
        assert "secret" not in server.log

        proxy.asked.clear()
        exempt = start(toml=toml, **env | {"NO_PROXY": "other.test,.test"})
        assert post(exempt.url, {"model": "text", "input": "Hello?"}).status == 502  # there is no such host
        near = start(toml=f'[[upstreams]]\nname = "near"\nurl = "{upstream.url}"\n', **env)
        assert post(near.url, {"model": "text", "input": "Hello?"}).response["status"] == "completed"
        assert proxy.asked == []
