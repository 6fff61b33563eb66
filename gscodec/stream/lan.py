"""`--lan`: HTTPS for the machine's own network, from an authority that belongs to this user.

Browsers give WebCodecs to secure origins only, so a phone needs HTTPS, and HTTPS needs a certificate that the
phone trusts. The authority's key never leaves the user's config folder; certificates for the machine's addresses
are made anew at each start, and last a fortnight. The authority may sign for private names and addresses only.
"""

from __future__ import annotations

import io
import ipaddress
import os
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gscodec.base.errors import BadInput
from gscodec.stream import page
from gscodec.stream.listen import bind, configure, serve_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from gscodec.stream.options import ServeOptions

__all__ = [
    "Authority",
    "client_context",
    "config_folder",
    "guide_app",
    "load_authority",
    "machine_addresses",
    "run",
]

AUTHORITY_DAYS = 825  # the longest that Apple's systems accept
LEAF_DAYS = 14
PRIVATE_NETS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
)
PRIVATE_NETS_6 = ("fc00::/7", "fe80::/10", "::1/128")


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256, as phones show it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(" ").upper()

    def issue(self, addresses: Sequence[str], folder: Path) -> tuple[str, str]:
        """A certificate for `addresses` (and localhost): paths of certificate and key files in `folder`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName("localhost")]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = _builder(x509.Name([_name("gscodec server")]), self.certificate.subject, key, LEAF_DAYS)
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.SubjectAlternativeName(names), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self.key, hashes.SHA256())
        chain = certificate.public_bytes(serialization.Encoding.PEM) + self.pem
        paths = folder / "server.pem", folder / "server.key"
        _write_private(paths[0], chain)
        _write_private(paths[1], _key_pem(key))
        return str(paths[0]), str(paths[1])


def config_folder() -> Path:
    """Where this user's settings lie on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home())) / "gscodec"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "gscodec"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gscodec"


def load_authority(folder: Path) -> Authority:
    """The authority of `folder`, made at the first call or where the old one ends within a leaf's life.

    Raises BadInput where the folder's key can be read by others, or its files cannot be read.
    """
    certificate_path, key_path = folder / "authority.pem", folder / "authority.key"
    if not (certificate_path.exists() and key_path.exists()):
        return _create_authority(certificate_path, key_path)
    if os.name == "posix" and key_path.stat().st_mode & 0o077:
        raise BadInput(
            "the authority's key can be read by others: chmod 600, or delete it", file=str(key_path)
        )
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"authority cannot be read: {error}; delete it to make a new one", file=str(folder)
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BadInput("the authority's key is not its certificate's; delete both", file=str(folder))
    if certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=LEAF_DAYS):
        return _create_authority(certificate_path, key_path)
    return Authority(certificate, key)


def _create_authority(certificate_path: Path, key_path: Path) -> Authority:
    certificate_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([_name(f"gscodec authority of {socket.gethostname()}"[:64])])
    private = [x509.IPAddress(ipaddress.ip_network(net)) for net in PRIVATE_NETS + PRIVATE_NETS_6]
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = _builder(name, name, key, AUTHORITY_DAYS)
    for extension, critical in (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage, True),
        (x509.NameConstraints([*private, x509.DNSName("localhost"), x509.DNSName("local")], None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical)
    authority = Authority(builder.sign(key, hashes.SHA256()), key)
    _write_private(key_path, _key_pem(key))
    certificate_path.write_bytes(authority.pem)
    return authority


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of phones differ
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, text)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, data: bytes) -> None:
    """Write for this user alone: the file never exists with wider permissions."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def machine_addresses() -> list[str]:
    """This machine's addresses on its networks, the one with the default route first; 127.0.0.1 if there is none."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: nothing is sent, but a route is chosen
            found.append(probe.getsockname()[0])
        except OSError:
            pass  # no network
    try:
        infos = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        infos = []
    found += [str(info[4][0]) for info in infos]
    return list(dict.fromkeys([a for a in found if not a.startswith("127.")])) or ["127.0.0.1"]


def guide_app(authority: Authority, link: str) -> Starlette:
    """The plain-HTTP page that explains how a phone comes to trust the authority, and hands out its certificate."""

    async def explain(request: Request) -> Response:
        return HTMLResponse(page.trust(link, authority.fingerprint))

    async def certificate(request: Request) -> Response:
        return Response(
            authority.der,
            media_type="application/x-x509-ca-cert",
            headers={"content-disposition": 'attachment; filename="gscodec-authority.crt"'},
        )

    return Starlette(routes=[Route("/", explain), Route("/gscodec-authority.crt", certificate)])


def qr(text: str) -> str:
    """A QR code for the terminal, light on dark, two rows a line."""
    import segno

    out = io.StringIO()
    segno.make(text, error="l").terminal(out=out, compact=True, border=2)
    return out.getvalue()


def run(app: Starlette, options: ServeOptions) -> int:
    """Serve `app` by HTTPS on all addresses, and the guide page by HTTP on the next free port."""
    folder = options.config_folder or config_folder()
    authority = load_authority(folder)
    addresses = machine_addresses()
    tls = authority.issue([*addresses, *({"127.0.0.1"} - set(addresses))], folder)
    host = options.host if options.host != "127.0.0.1" else "0.0.0.0"
    listener, guide_listener = bind(host, options.port), bind(host, options.port + 1 if options.port else 0)
    link = f"https://{addresses[0]}:{listener.getsockname()[1]}/"
    help_link = f"http://{addresses[0]}:{guide_listener.getsockname()[1]}/"
    if not options.quiet:
        print(link, flush=True)
        print(f"{qr(help_link)}\nScan to watch on a phone, or open {help_link}", file=sys.stderr)
        print(f"All devices on this network can watch. Authority: {folder}. Ctrl-C stops.", file=sys.stderr)
    main = configure(app, options.header_deadline, options.per_address, tls)
    guide = configure(guide_app(authority, link), options.header_deadline, options.per_address)
    serve_until_stopped([(main, listener), (guide, guide_listener)])
    return 0


def client_context(authority: Authority) -> ssl.SSLContext:
    """A TLS context that trusts `authority` and nothing else."""
    return ssl.create_default_context(cadata=authority.pem.decode())
