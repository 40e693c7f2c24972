"""TLS servers whose certificate no authority has signed."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatbots.testing import FakeOpenAI


@asynccontextmanager
async def server_with_its_own_certificate() -> AsyncIterator[int]:
    """Listen on loopback and yield the port; every handshake is expected to fail."""
    with tempfile.TemporaryDirectory() as folder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(Path(folder) / "own.pem"))
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
    listener = TLSListener(tcp, context, standard_compatible=False)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, _nobody_gets_here)
        yield port
        group.cancel_scope.cancel()


@asynccontextmanager
async def tls_in_front_of(fake: FakeOpenAI, own: Path) -> AsyncIterator[str]:
    """Yield the base URL at which *fake* is reached over TLS, with the certificate *own*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port: int = tcp.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's typed attributes
    behind = int(fake.base_url.removesuffix("/v1").rpartition(":")[2])

    async def pump(source: ByteStream, to: ByteStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await to.send(await source.receive())
        await anyio.aclose_forcefully(to)

    async def serve(outside: ByteStream) -> None:
        inside = await anyio.connect_tcp("127.0.0.1", behind)
        async with outside, inside, anyio.create_task_group() as both:
            both.start_soon(pump, outside, inside)
            both.start_soon(pump, inside, outside)

    listener = TLSListener(tcp, context, standard_compatible=False)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield f"https://127.0.0.1:{port}/v1"
        group.cancel_scope.cancel()


async def _nobody_gets_here(stream: object) -> None:
    raise AssertionError(f"A handshake was completed: {stream}")


def certificate(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
