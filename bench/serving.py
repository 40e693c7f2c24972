"""The upstream, compiled when it is needed, in a process of its own for as long as that lasts."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SOURCE = Path(__file__).with_name("upstream.c")


class Upstream(NamedTuple):
    """Where it listens, and its process."""

    url: str
    process: int


@contextmanager
def upstream(certificate: Path | None = None) -> Iterator[Upstream]:
    """Run `upstream.c`; with a *certificate*, over TLS."""
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder) / "upstream", tls=certificate is not None)
        command = [str(program), *([str(certificate)] * 2 if certificate else [])]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("The upstream has no pipes.")
            port = process.stdout.readline().strip()
            scheme = "https" if certificate else "http"
            yield Upstream(f"{scheme}://127.0.0.1:{port}/v1", process.pid)
            process.stdin.close()


def compiled(program: Path, *, tls: bool) -> Path:
    """Compile the upstream; raises `RuntimeError` where there is no compiler or no OpenSSL."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("The benchmarks need a C compiler for their upstream: cc, gcc or clang.")
    options = ["-DTLS", "-lssl", "-lcrypto"] if tls else []
    done = subprocess.run(
        [compiler, "-O2", str(SOURCE), "-o", str(program), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The upstream cannot be compiled:\n{done.stderr}")
    return program


def certificate_for_loopback(path: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 that nobody else vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
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
