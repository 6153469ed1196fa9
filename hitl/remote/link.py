"""Connecting: who may talk to whom, and tlspyo's parts run in this process's main thread."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import queue
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import DeviceError, InputFileError, UsageError
from data.extras import install
from data.files.paths import private_folder
from data.files.text_files import read_text, without_mark
from hitl.remote.wire import pack, unpack

PORT = 55555
GROUPS = {"trainers": 1, "workers": None}
"""Who may be connected, and how many: as at tmrl's own Server, which does as well in the middle."""
LONG_ENOUGH = 12  # characters of a password
HERE_ONLY = "on this machine only"  # the password where only this machine can connect
HOSTNAME = "hitl"  # what the certificate is made out to, whatever the machine is called
HEADER = 12


@dataclass(frozen=True)
class Access:
    """How to reach the server. ``keys``: the folder of key.pem, certificate.pem and password.txt; None: no TLS."""

    host: str = "127.0.0.1"
    port: int = PORT
    password: str = HERE_ONLY
    keys: Path | None = None

    @property
    def loopback(self) -> bool:
        """Return whether the server is on this machine."""
        with contextlib.suppress(ValueError):
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        return False

    def check(self) -> Access:
        """Return itself. Raises UsageError where others could listen in or connect."""
        if self.loopback:
            return self
        if self.keys is None:
            raise UsageError(
                f"Without TLS, connections are limited to this machine, and '{self.host}' is another one: make keys "
                "with `hitl keys`, and copy certificate.pem and password.txt to each worker."
            )
        if len(self.password) < LONG_ENOUGH or self.password == HERE_ONLY:
            raise UsageError(
                f"The password must have {LONG_ENOUGH} characters or more: anyone who knows it can send to your trainer. "
                "`hitl keys` makes one."
            )
        return self


def access(host: str, port: int, keys: Path, *, no_tls: bool = False, key: bool = False) -> Access:
    """Return how to reach a server, from a folder of keys; with TLS if that holds a certificate, unless ``no_tls``.

    ``key``: the private key is needed too (the server's side). Raises UsageError.
    """
    tls = not no_tls and (keys / "certificate.pem").is_file()
    if tls:
        for name in ("certificate.pem", *(("key.pem",) if key else ())):
            if not (keys / name).is_file():
                raise UsageError(
                    f"There is no {name} in the folder of keys: `hitl keys` makes it on the server's machine."
                )
            _check_pem(keys / name)
    password = without_mark(os.environ.get("HITL_PASSWORD", "")).strip()
    if not password and (keys / "password.txt").is_file():
        password = read_text(keys / "password.txt", guess=False).strip()  # a wrong guess would be a wrong password
    return Access(host, port, password or HERE_ONLY, keys if tls else None).check()


def _check_pem(path: Path) -> None:
    """Raise InputFileError at a certificate or key that an editor or PowerShell has saved again: OpenSSL cannot read it."""
    if not path.read_bytes().startswith(b"-----BEGIN") and read_text(path).startswith("-----BEGIN"):
        raise InputFileError(
            f"{path.name} was saved again in another encoding and cannot be read as a key: copy the server's file unchanged."
        )


def make_keys(folder: Path) -> None:
    """Write key.pem, certificate.pem and password.txt into a new folder. Raises UsageError when there are some already."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    names = ("key.pem", "certificate.pem", "password.txt")
    if any((folder / name).exists() for name in names):
        raise UsageError(
            "There are keys in that folder already. Delete them to make new ones; each worker then needs the new ones."
        )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTNAME)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOSTNAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private_folder(folder)
    folder.chmod(0o700)  # also one that was there: it is for this user alone
    for file, raw in zip(
        names, (private, certificate.public_bytes(pem), secrets.token_urlsafe(24).encode() + b"\n"), strict=True
    ):
        fd = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(raw)


def _api() -> Any:
    try:
        import tlspyo.api as api
    except ImportError:
        raise DeviceError(
            f"Several machines need the package tlspyo, which is not installed: {install('remote')}."
        ) from None
    return api


class _OnMainThread:
    """Stands in for the child process that tlspyo starts: its work is done by our main thread instead."""

    targets: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def __init__(self, target: Callable[[], None], args: tuple[Any, ...] = ()) -> None:
        self._target = target

    def start(self) -> None:
        """Hand the work over."""
        _OnMainThread.targets.put(self._target)

    def join(self, timeout: float | None = None) -> None:
        """The main thread is not waited for."""


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def connection(endpoint: Any) -> Any:
    """Return an endpoint's connection to the server: a new object after each reconnect, None while disconnected."""
    link = endpoint._client.to_server  # it lives in this process, see `_OnMainThread`
    return link if link is not None and link.get_state() == "ALIVE" else None


def run_endpoint(to: Access, group: str, work: Callable[[Any], None]) -> None:
    """Connect as a member of ``group`` and run ``work(endpoint)`` on a thread of its own; returns when that has returned.

    To be called in the main thread of a process that does nothing else.
    """
    api = _api()
    api.Process = _OnMainThread
    failed: list[BaseException] = []

    def run() -> None:
        try:
            endpoint = api.Endpoint(
                ip_server=to.host, port=to.port, password=to.password, groups=(group,), local_com_port=free_port(),
                header_size=HEADER, max_buf_len=1 << 20, security="TLS" if to.keys else None,
                keys_dir=str(to.keys) if to.keys else None, hostname=HOSTNAME, serializer=pack, deserializer=unpack,
                recon_max_delay=4.0, recon_initial_delay=0.3, recon_factor=1.5, recon_jitter=0.1,
            )  # fmt: skip
            work(endpoint)
        except BaseException as error:
            failed.append(error)
        finally:
            _OnMainThread.targets.put(None)
            _stop_reactor()

    threading.Thread(target=run, name="hitl-link", daemon=True).start()
    target = _OnMainThread.targets.get()
    if target is not None:
        target()
    if failed:
        raise failed[0]


def run_relay(to: Access, interface: str, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until the process is told to stop. ``interface``: the address that is listened on, "" for all.

    Raises DeviceError when the port is taken.
    """
    api = _api()
    api.Process = _OnMainThread
    from twisted.internet import error
    from twisted.internet import reactor as running

    reactor: Any = running
    listen = reactor.listenTCP  # which listenSSL calls, too
    reactor.listenTCP = lambda port, factory, *rest, **more: listen(port, factory, interface=interface)
    allowed = {name: {"max_count": most, "max_consumables": None} for name, most in GROUPS.items()}
    made: list[Any] = []

    def make() -> None:
        made.append(
            api.Relay(
                port=to.port, password=to.password, accepted_groups=allowed, local_com_port=free_port(),
                header_size=HEADER, security="TLS" if to.keys else None, keys_dir=str(to.keys) if to.keys else None,
                serializer=pack, deserializer=unpack,
            )
        )  # fmt: skip

    threading.Thread(target=make, name="hitl-relay", daemon=True).start()
    target = _OnMainThread.targets.get()
    assert target is not None
    reactor.callWhenRunning(ready)
    try:
        target()
    except error.CannotListenError as problem:
        raise DeviceError(
            f"The server cannot listen on port {to.port} ({problem.socketError}): is another one running? `--port` takes another."
        ) from None


def _stop_reactor() -> None:
    from twisted.internet import error
    from twisted.internet import reactor as running

    reactor: Any = running

    def stop() -> None:
        with contextlib.suppress(error.ReactorNotRunning):
            reactor.stop()

    reactor.callFromThread(stop)
