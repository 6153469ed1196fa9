"""Who may see the pages: this machine alone, or whoever has the token."""

import asyncio
import socket
import sys

import httpx
import pytest

from data.errors import DeviceError, UsageError
from hitl.pages import access

TOKEN = "abcd-efgh-jkmn-pqrs"


async def inner(scope, receive, send):
    """An application that answers everything, Datasette's way."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"the store"})


def ask(path="/", token=TOKEN, method="GET", base="http://192.168.1.20:8000", **headers):
    guard = access.Gatekeeper(inner, {"192.168.1.20"}, token, str.encode)

    async def asked():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url=base) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def cookie(value):
    return {"cookie": f"{access.COOKIE}={value}"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}), ("/store.json", {}), ("/-/static/app.css", {}), ("/files/site.css", {}), ("/enter/", {}), ("/enter/abcd", {}),
        (f"/{TOKEN}", {}), ("/", cookie("")), ("/", cookie(TOKEN[:-1])), ("/", cookie(TOKEN.upper())),
        ("/", {"cookie": "a b=;;="}), ("/enter/%C5%BC", {}), ("/", {"authorization": f"Bearer {TOKEN}"}),
    ],
)  # fmt: skip
def test_nothing_is_served_without_the_token(path, headers):
    answer = ask(path, **headers)
    assert answer.status_code == 403
    assert "the store" not in answer.text
    assert "set-cookie" not in answer.headers
    assert "hitl browse --phone" in answer.text


def test_the_link_gives_a_cookie_and_the_cookie_lets_in():
    answer = ask(f"/enter/{TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")  # so that the token leaves the address line at once
    given = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(given.split("; "))
    inside = ask("/", cookie=given.partition(";")[0])
    assert (inside.status_code, inside.text) == (200, "the store")
    assert inside.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in inside.headers["content-security-policy"]
    assert inside.headers["content-type"] == "text/plain"


def test_the_comparison_takes_the_same_time_however_much_is_right(monkeypatch):
    asked = []
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: asked.append((a, b)) or False)
    assert ask(f"/enter/{TOKEN}", **cookie(TOKEN)).status_code == 403
    assert asked == [(TOKEN.encode(), TOKEN.encode())] * 2  # what decides is this function alone


def test_only_reading_under_the_own_name():
    inside = cookie(TOKEN)
    assert ask("/store", method="POST", **inside).status_code == 405
    assert ask("/", base="http://evil.example:8000", **inside).status_code == 421  # a name elsewhere that leads here
    assert ask("/", base="http://evil.example", token=None).status_code == 421
    assert ask("/", base="http://192.168.1.20:9", token=None).status_code == 200  # a forwarded port
    for path in ("/-/databases.json", "/-/threads", "/-/actor"):
        assert ask(path, **inside).status_code == 404
    assert ask("/-/static/app.css", **inside).status_code == 200


def test_a_token_cannot_be_guessed_and_is_typed_without_doubt():
    tokens = {access.new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(t) == 19 and not set(t) & set("01ilo") for t in tokens)


@pytest.mark.parametrize("named", ["8.8.8.8", "0.0.0.0", "224.0.0.1", "my-pc", "::1", "192.168.1"])
def test_an_address_in_the_internet_is_refused(named):
    with pytest.raises(UsageError, match="--phone"):
        access.network_address(named)


@pytest.mark.parametrize("named", ["192.168.1.20", "10.0.0.3", "172.16.9.9", "100.100.1.1", "169.254.3.4"])
def test_an_address_of_a_home_network_is_taken(named):
    assert access.network_address(named) == named


def test_without_a_network_a_sentence_says_what_to_do(monkeypatch):
    class Unreachable(socket.socket):
        def connect(self, address):
            raise OSError("Network is unreachable")

    monkeypatch.setattr(access.socket, "socket", Unreachable)
    monkeypatch.setattr(access, "_own_addresses", lambda: ["10.77.0.1"])
    assert access.network_address() == "10.77.0.1", "a network without a way out is one that a phone may be in"
    monkeypatch.setattr(access, "_own_addresses", list)
    with pytest.raises(DeviceError, match="is in no network"):
        access.network_address()


def test_where_there_is_ipv6_only_a_sentence_says_so(monkeypatch):
    class OnlyIPv6(socket.socket):
        def connect(self, address):
            if self.family != socket.AF_INET6:
                raise OSError("Network is unreachable")

    monkeypatch.setattr(access.socket, "socket", OnlyIPv6)
    monkeypatch.setattr(access, "_own_addresses", list)
    with pytest.raises(DeviceError, match="has IPv6 addresses only, and the pages are served at an IPv4 address"):
        access.network_address()
    for named in ("fd00::5", "[2001:db8::5]"):
        with pytest.raises(UsageError, match="is an IPv6 address, and the pages are served at one like 192"):
            access.network_address(named)


def test_this_machines_own_addresses_are_found():
    for found in access._own_addresses():
        assert access.network_address(found) == found
        assert not found.startswith("127.")


def test_a_port_in_use_is_said():
    with access.listen(access.LOOPBACK, 0) as taken, pytest.raises(DeviceError, match="--port"):
        access.listen(access.LOOPBACK, taken.getsockname()[1])


@pytest.mark.parametrize("words", [["browse"], ["browse", "--phone", "127.0.0.1"]])
def test_without_datasette_a_sentence_says_what_to_type(words, tmp_path, monkeypatch, capsys):
    from data.store import Store
    from hitl.cli import main

    Store(tmp_path / "store.sqlite").close()
    monkeypatch.setitem(sys.modules, "datasette", None)
    assert main([*words, "--home", str(tmp_path)]) == 2
    assert "Datasette is not installed" in (said := capsys.readouterr().err)
    assert "[browse]" in said
