"""The folder of keys: made on the server's machine, copied to the others, and checked before anybody connects."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import DeviceError, InputFileError, UsageError, shown
from data.extras import install
from data.files import held
from data.files.paths import as_typed, private_folder
from data.files.text_files import read_text

if TYPE_CHECKING:
    from cryptography import x509

HOSTNAME = "hitl"  # what the certificate is made out to, whatever the machine is called
NAMES = ("key.pem", "certificate.pem", "password.txt")


@dataclass(frozen=True)
class KeyFolder:
    """A folder of keys. ``server``: the server's own, with the private key; ``named``: not the usual one of a home."""

    folder: Path
    server: bool = False
    named: bool = False

    @property
    def certificate(self) -> Path:
        """The certificate, which both sides need."""
        return self.folder / "certificate.pem"

    def require_folder(self) -> None:
        """Raise UsageError where there is no such folder."""
        if not self.folder.is_dir():
            if os.path.lexists(self.folder):
                said = f"'{shown(self.folder, 200)}' is no folder, and --keys names one"
                raise UsageError(f"{said}: give the folder that has the keys.")
            raise UsageError(f"There is no folder '{shown(self.folder, 200)}', which --keys names: {self.how()}.")

    def check(self) -> None:
        """Raise UsageError where a file is missing, InputFileError where one is useless: TLS would only say that it failed."""
        if self.server and not (self.folder / "key.pem").is_file():
            raise UsageError(
                f"There is no key.pem in {as_typed(self.folder)}, and a server needs it: start it on the machine where the keys "
                "were made, or delete certificate.pem and password.txt there and make new keys with "
                f"{self._make()}; each worker then needs the new ones."
            )
        certificate = self._read_certificate()
        self._check_dates(certificate)
        if self.server:
            self._check_key(certificate)

    def how(self) -> str:
        """Return what to do for keys to be there."""
        if self.server:
            return f"make keys with {self._make()}, and copy certificate.pem and password.txt to each other machine"
        return f"{self._copy('certificate.pem and password.txt')}, or name the folder that has them with --keys DIR"

    def how_password(self, missing: bool) -> str:
        """Return what to do for a password to be there that can be used."""
        if os.environ.get("HITL_PASSWORD", "").strip():  # it goes before the file
            return "set HITL_PASSWORD to the same one of 12 characters or more on each machine, or to nothing"
        if not self.server:
            return self._copy("password.txt")
        write = "write one of 12 characters or more into" if missing else "write a longer one into"
        return f"{write} {as_typed(self.folder / 'password.txt')}, and copy that file to each other machine"

    def _make(self) -> str:
        command = " ".join(["hitl keys", *(["--out", as_typed(self.folder)] if self.named else [])])
        return f"`{command}`"

    def _copy(self, what: str) -> str:
        # Without the command that makes keys: typed here, it would make others than the server's.
        return f"copy {what} from the server's folder of keys into {as_typed(self.folder)}"

    def _anew(self) -> str:
        """Return what to do about a file that cannot be used."""
        if self.server:
            return (
                f"put the right file there, or delete {', '.join(NAMES[:2])} and {NAMES[2]} and make new keys with "
                f"{self._make()}; each worker then needs the new ones"
            )
        return self._copy("certificate.pem")

    def _read_certificate(self) -> x509.Certificate:
        require_package()
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificate(_read(self.certificate))
        except ValueError:
            raise InputFileError(
                f"certificate.pem in {as_typed(self.folder)} is no certificate, so nothing can be encrypted: {self._anew()}."
            ) from None

    def _check_dates(self, certificate: x509.Certificate) -> None:
        import datetime

        now = datetime.datetime.now(datetime.UTC)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if begins <= now <= ends:
            return
        what = f"has expired on {ends:%Y-%m-%d}" if now > ends else f"is valid only from {begins:%Y-%m-%d} on"
        raise InputFileError(
            f"certificate.pem in {as_typed(self.folder)} {what}, and it is {now:%Y-%m-%d} by this machine's clock: set the clock "
            f"if that is wrong; else {self._anew() if self.server else 'make new keys on the server, and ' + self._anew()}."
        )

    def _check_key(self, certificate: x509.Certificate) -> None:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization

        try:
            key = serialization.load_pem_private_key(_read(self.folder / "key.pem"), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it wants a password of its own
            raise InputFileError(
                f"key.pem in {as_typed(self.folder)} is no private key that can be read: {self._anew()}."
            ) from None
        if key.public_key() != certificate.public_key():
            raise InputFileError(
                f"key.pem and certificate.pem in {as_typed(self.folder)} do not belong together: {self._anew()}."
            )


def others_can_change(folder: Path) -> bool:
    """Return whether other users of this machine may put other files in the place of those in a folder."""
    return sys.platform != "win32" and bool(folder.stat().st_mode & 0o022)


def require_package() -> None:
    """Raise DeviceError where the packages of several machines are not installed."""
    try:
        import cryptography  # noqa: F401
        import tlspyo  # noqa: F401
    except ImportError:
        raise DeviceError(
            f"Several machines need the package tlspyo, which is not installed: {install('remote')}."
        ) from None


def _read(path: Path) -> bytes:
    """Return a certificate or key. Raises InputFileError at one that an editor or PowerShell has saved again."""
    try:
        raw = held.read_bytes(path)
    except OSError as error:
        raise InputFileError(f"{path.name} cannot be read {held.why(error, 'make it readable for this user')}.") from None
    if not raw.startswith(b"-----BEGIN") and _as_text(path).startswith("-----BEGIN"):
        raise InputFileError(
            f"{path.name} was saved again in another encoding and cannot be read as a key: copy the server's file unchanged."
        )
    return raw


def _as_text(path: Path) -> str:
    with contextlib.suppress(InputFileError):
        return read_text(path)
    return ""


def make_keys(folder: Path) -> None:
    """Write key.pem, certificate.pem and password.txt, which only this user can read, into a folder.

    Raises UsageError when there are some already, InputFileError where they cannot be written; then there is none of them.
    """
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    if there := [name for name in NAMES if (folder / name).exists()]:
        copied = "" if "key.pem" in there else ", and without a key.pem they are copies of another machine's"
        raise UsageError(
            f"There are keys in {as_typed(folder)} already ({', '.join(there)}){copied}. Delete them to make new ones; each "
            "worker then needs the new ones."
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
    made: list[Path] = []
    try:
        private_folder(folder)  # one that was there stays as it is, for what else is in it: each file here is private
        for file, raw in zip(
            NAMES, (private, certificate.public_bytes(pem), secrets.token_urlsafe(24).encode() + b"\n"), strict=True
        ):
            fd = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            made.append(folder / file)
            with os.fdopen(fd, "wb") as out:
                out.write(raw)
    except OSError as error:
        for path in made:
            with contextlib.suppress(OSError):
                held.unlink(path)
        taken = isinstance(error, FileExistsError | NotADirectoryError)
        why = "there is a file of that name" if taken else error.strerror or error
        raise InputFileError(
            f"The keys cannot be written into {as_typed(folder)} ({shown(why)}): name another folder with `hitl keys --out DIR`."
        ) from error


