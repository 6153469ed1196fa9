"""Who may see the pages: this machine alone, or with a token a phone in the same network."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from data.errors import DeviceError, UsageError, shown

LOOPBACK = "127.0.0.1"
COOKIE = "hitl_browse"
ENTER = "/enter/"
"""What the address begins with that holds the token."""
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that is taken for another one when it is typed by hand
_ELSEWHERE = ("192.0.2.1", 9)  # an address that is no one's (RFC 5737): it is only asked which way leads there
_ELSEWHERE_IPV6 = ("2001:db8::1", 9)  # the same (RFC 3849)
_SIOCGIFADDR = 0x8915  # Linux: the address of a network interface
_NOT_LIKE = "not an address like 192.168.1.20"
_NO_NETWORK = (
    "This PC is in no network, so no phone can reach it: join the one that the phone is in, or give this PC's address there "
    "(`hitl browse --phone 192.168.1.20`)."
)
_NO_IPV4 = (
    "This PC has IPv6 addresses only, and the pages are served at an IPv4 address, like 192.168.1.20: switch IPv4 on in this "
    "PC's network settings, or join a network that has it, then type `hitl browse --phone` again."
)
_HEADERS = {
    "content-security-policy": "default-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def new_token() -> str:
    """Return a token of 16 letters (79 bits) in groups of four."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def network_address(named: str = "") -> str:
    """Return the address at which other machines of the network find this one; ``named``: the one that the player gave.

    Raises UsageError for one that is not an address of a home or office network, DeviceError where there is no network.
    """
    address = named
    if not named:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
                way.connect(_ELSEWHERE)  # sends nothing
                address = str(way.getsockname()[0])
        except OSError as error:  # no way leads out of its networks, if it is in any
            address = next(iter(_own_addresses()), "")
            if not address:
                raise DeviceError(_NO_IPV4 if _has_ipv6() else _NO_NETWORK) from error
    try:
        known = ipaddress.IPv4Address(address)
    except ValueError:
        what = "an IPv6 address, and the pages are served at one like 192.168.1.20" if _is_ipv6(address) else _NOT_LIKE
        raise UsageError(f"'{shown(address)}' is {what}: give --phone this PC's address in your network.") from None
    if known.is_global or known.is_unspecified or known.is_multicast:
        raise UsageError(
            f"{address} is not an address of a home network: the pages would be in the Internet, unencrypted, so they are not "
            "served there. Give --phone this PC's address in your network."
        )
    return address


def _is_ipv6(address: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.IPv6Address(address.strip("[]"))
        return True
    return False


def _has_ipv6() -> bool:
    """Whether a way leads out of this PC by IPv6."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as way:
        way.connect(_ELSEWHERE_IPV6)  # sends nothing
        return True
    return False


def _own_addresses() -> list[str]:
    """Return this PC's addresses in home and office networks."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    if sys.platform == "linux":  # where the name often stands for this machine alone
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            for _, name in socket.if_nameindex():
                with contextlib.suppress(OSError):  # one without an address
                    answer = fcntl.ioctl(asking, _SIOCGIFADDR, name.encode()[:15].ljust(40, b"\0"))
                    found.append(socket.inet_ntoa(answer[20:24]))
    known = [ipaddress.IPv4Address(text) for text in dict.fromkeys(found)]
    return [str(ip) for ip in known if ip.is_private and not (ip.is_loopback or ip.is_link_local)]


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens at this address alone; port 0 takes a free one. Raises DeviceError."""
    try:
        return socket.create_server((address, port))
    except (OSError, OverflowError) as error:
        choose = "choose another with --port" if port else "give --phone this PC's address in your network"
        raise DeviceError(f"{address} cannot be used at port {port} ({error}): {choose}.") from error


class Gatekeeper:
    """Stands before an application: lets requests in that may see it, and only those that read.

    ``hosts``: what a browser may call this server; any other name means that a page from elsewhere had its own name lead here.
    ``token``: without it, or the cookie that it is exchanged for, nothing is answered; None asks for nothing.
    ``refusal`` makes the page that says why. Datasette's pages about itself, which tell paths, are not served.
    """

    def __init__(self, app: Application, hosts: set[str], token: str | None, refusal: Callable[[str], bytes]) -> None:
        self._app, self._hosts, self._token, self._refusal = app, hosts, token, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        path = str(scope["path"])
        if headers.get(b"host", "").partition(":")[0] not in self._hosts:  # at any port: it may be forwarded
            await self._refuse(send, 421, "This address is not the one that `hitl browse` has shown: open that one.")
        elif self._token is not None and _same(path.removeprefix(ENTER), self._token) and path.startswith(ENTER):
            cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            await _answer(send, 303, b"", {"location": "/", "set-cookie": cookie})
        elif self._token is not None and not _same(_cookie(headers), self._token):
            await self._refuse(send, 403, "Open the whole address that `hitl browse --phone` shows: it is a new one each time.")
        elif scope["method"] not in ("GET", "HEAD"):
            await self._refuse(send, 405, "These pages can only be read.")
        elif path.startswith("/-/") and not path.startswith("/-/static/"):
            await self._refuse(send, 404, "There is no such page.")
        else:
            await self._app(scope, receive, _with_headers(send))

    async def _refuse(self, send: Send, status: int, text: str) -> None:
        await _answer(send, status, self._refusal(text), {"content-type": "text/html; charset=utf-8"})


def _same(given: str, token: str) -> bool:
    """Compare in a time that tells nothing of how much was right."""
    return hmac.compare_digest(given.encode(), token.encode())


def _cookie(headers: Mapping[bytes, str]) -> str:
    try:
        found = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _with_headers(send: Send) -> Send:
    """Return a ``send`` that adds the headers which every answer has, where the answer has none of that name."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            more = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in names]
            message = {**message, "headers": [*given, *more]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    written = [(name.encode(), value.encode()) for name, value in headers.items()]
    sending = _with_headers(send)
    await sending({"type": "http.response.start", "status": status, "headers": written})
    await sending({"type": "http.response.body", "body": body})
