"""Who may ask."""

import re

import pytest

from penstock import access as access_module
from penstock.access import ANONYMOUS, Access, bearer, key_digest, named_key
from penstock.errors import ApiError
from penstock.origins import Origins
from penstock.secrets import Secret

OPEN = Access([])
LOCKED = Access([Secret("sk-one"), Secret("sk-two")])
NAMED = Access([], allowed_hosts=["example.com"])
PUBLIC = Access([], any_host=True)
EXPOSED = Access([], is_exposed=True)
PAGES = Access([], origins=Origins(["https://chat.example.com"]))
ANY_PAGE = Access([], origins=Origins(["*"]))

NOON = 1_000
BY_NAME = [
    named_key("alice", key_digest("sk-old"), expires_at=NOON),
    named_key("alice", key_digest("sk-new"), expires_at=NOON + 9),
    named_key("bob", key_digest("sk-bob")),
    named_key("sk-one", key_digest("sk-trap")),
    named_key(key_digest("sk-one").hex()[:32], key_digest("sk-trick")),
]
BEFORE = Access([Secret("sk-one")], named=BY_NAME, now_s=lambda: NOON - 1)
AFTER = Access([Secret("sk-one")], named=BY_NAME, now_s=lambda: NOON)

Headers = dict[str, str]

WELCOME: dict[str, tuple[Access, Headers]] = {
    "localhost": (OPEN, {"host": "localhost"}),
    "with a port": (OPEN, {"host": "127.0.0.1:8080"}),
    "IPv6": (OPEN, {"host": "[::1]:8080"}),
    "upper case": (OPEN, {"host": "LOCALHOST:1"}),
    "a page of this machine": (OPEN, {"host": "localhost", "origin": "http://localhost:3000"}),
    "an allowed host": (NAMED, {"host": "example.com:443", "origin": "https://example.com"}),
    "any host": (PUBLIC, {"host": "example.org"}),
    "no host, any host": (PUBLIC, {}),
    "any host, where others can reach it": (Access([], any_host=True, is_exposed=True), {"host": "example.org"}),
    "a key, where others can reach it": (
        Access([Secret("sk-one")], is_exposed=True),
        {"authorization": "Bearer sk-one"},
    ),
    "no host, with a key": (LOCKED, {"authorization": "Bearer sk-one"}),
    "a page that is allowed": (PAGES, {"host": "localhost", "origin": "https://chat.example.com"}),
    "a page where all are": (ANY_PAGE, {"host": "localhost", "origin": "null"}),
    "a key": (LOCKED, {"authorization": "Bearer sk-one"}),
    "the other key": (LOCKED, {"authorization": "bearer  sk-two "}),
    "a named key": (AFTER, {"authorization": "Bearer sk-bob"}),
    "a plain key beside named ones": (AFTER, {"authorization": "Bearer sk-one"}),
    "a key in its last second": (BEFORE, {"authorization": "Bearer sk-old"}),
    "a key from anywhere": (LOCKED, {"authorization": "Bearer sk-one", "host": "a.b", "origin": "https://a.b"}),
}
REFUSED: dict[str, tuple[Access, Headers, int, str]] = {
    "localhost, where others can reach it": (EXPOSED, {"host": "localhost"}, 401, "PENSTOCK_ALLOW_ANONYMOUS=true"),
    "a key, where there is none": (EXPOSED, {"authorization": "Bearer sk-one"}, 401, "no API keys"),
    "no host": (OPEN, {}, 403, "without a 'Host'"),
    "an empty host": (OPEN, {"host": ""}, 403, "without a 'Host'"),
    "two hosts with ports": (OPEN, {"host": "localhost:1, example.com"}, 403, "allowed_hosts"),
    "a host with a port that is none": (OPEN, {"host": "localhost:a"}, 403, "allowed_hosts"),
    "two hosts": (OPEN, {"host": "localhost, localhost"}, 403, "allowed_hosts"),
    "a page of another port": (PAGES, {"host": "localhost", "origin": "https://chat.example.com:1"}, 403, "origins"),
    "a page by another scheme": (PAGES, {"host": "localhost", "origin": "http://chat.example.com"}, 403, "origins"),
    "a host where all pages are allowed": (ANY_PAGE, {"host": "a.example"}, 403, "allowed_hosts"),
    "another host": (OPEN, {"host": "example.com"}, 403, "allowed_hosts"),
    "a host that looks local": (OPEN, {"host": "localhost.example.com"}, 403, "allowed_hosts"),
    "a host behind a user": (OPEN, {"host": "localhost@example.com"}, 403, "allowed_hosts"),
    "no host name": (OPEN, {"host": "[::1"}, 403, "allowed_hosts"),
    "another page": (OPEN, {"host": "localhost", "origin": "https://example.com"}, 403, "allowed_hosts"),
    "a page without origin": (OPEN, {"host": "localhost", "origin": "null"}, 403, "allowed_hosts"),
    "another page, any host": (PUBLIC, {"host": "a.b", "origin": "https://a.b"}, 403, "allowed_hosts"),
    "no key": (LOCKED, {"host": "localhost"}, 401, "Bearer YOUR_KEY"),
    "an empty key": (LOCKED, {"authorization": "Bearer "}, 401, "Bearer YOUR_KEY"),
    "another scheme": (LOCKED, {"authorization": "Basic sk-one"}, 401, "Bearer YOUR_KEY"),
    "a key that has expired": (AFTER, {"authorization": "Bearer sk-old"}, 401, "has expired"),
    "a name for a key": (AFTER, {"authorization": "Bearer bob"}, 401, "Incorrect"),
    "a hash for a key": (AFTER, {"authorization": f"Bearer {key_digest('sk-bob').hex()}"}, 401, "Incorrect"),
    "no key where they have names": (AFTER, {"host": "localhost"}, 401, "Bearer YOUR_KEY"),
    "a wrong key": (LOCKED, {"authorization": "Bearer sk-three"}, 401, "Incorrect"),
    "half a key": (LOCKED, {"authorization": "Bearer sk-"}, 401, "Incorrect"),
    "a key in no ASCII": (LOCKED, {"authorization": "Bearer sk-ö"}, 401, "Incorrect"),
}


@pytest.mark.parametrize(("access", "headers"), WELCOME.values(), ids=WELCOME)
def test_it_lets_in(access: Access, headers: Headers) -> None:
    access.check(headers)


@pytest.mark.parametrize(("access", "headers", "status", "message"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(access: Access, headers: Headers, status: int, message: str) -> None:
    with pytest.raises(ApiError, match=message) as caught:
        access.check(headers)
    assert caught.value.status == status
    assert caught.value.code == ("invalid_api_key" if status == 401 else "forbidden_host")
    assert "sk-" not in caught.value.message


def owner(key: str) -> str:
    return BEFORE.check({"authorization": f"Bearer {key}"})


def test_only_the_next_key_of_a_name_has_its_rows() -> None:
    assert owner("sk-old") == owner("sk-new")
    assert len({owner(key) for key in ("sk-new", "sk-bob", "sk-one", "sk-trap", "sk-trick")} | {ANONYMOUS}) == 6


def test_an_owner_is_what_it_was_in_stored_rows() -> None:
    assert owner("sk-one") == LOCKED.check({"authorization": "Bearer sk-one"}) == "456f1612bd25c6c8455039437bf441f4"
    assert owner("sk-bob") == "name-81b637d8fcd2c6da6359e6963113a117"
    assert re.fullmatch("name-[0-9a-f]{32}", owner("sk-new"))


@pytest.mark.parametrize("given", ["sk-one", "sk-old", "sk-bob", "sk-none"])
def test_every_key_is_compared_whichever_it_is(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(access_module.hmac, "compare_digest", lambda a, b: compared.append(b) or a == b)
    try:
        owner(given)
    except ApiError:
        assert given == "sk-none"
    assert compared == [key_digest("sk-one"), *(key.digest for key in BY_NAME)]


def test_an_allowed_host_may_be_written_in_any_case() -> None:
    Access([], allowed_hosts=["Example.COM"]).check({"host": "example.com"})


@pytest.mark.parametrize(
    ("value", "token"), [("Bearer a b", "a b"), ("BEARER a", "a"), ("Bearer  ", None), ("a", None), ("", None)]
)
def test_the_token_of_a_header(value: str, token: str | None) -> None:
    assert bearer({"authorization": value}) == (token and Secret(token))
