"""TLS from two files, with an error that says which of them is wrong."""

from __future__ import annotations

import ssl
from pathlib import Path

from chatbots.errors import ConfigurationError


def tls_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """Return what a server needs to speak TLS 1.2 or newer as the owner of *certificate*.

    Both are PEM files; without *key*, the first holds both.
    Raises `ConfigurationError`: `file_unreadable`, or `invalid_setting` for a wrong one.
    """
    for path, name in ((certificate, "SERVER_TLS_CERTIFICATE"), (key, "SERVER_TLS_KEY")):
        try:
            _ = path and path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                "file_unreadable",
                f"The file {str(path)!r} of {name} cannot be read: {error.strerror}.",
            ) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a password would have it asked for at the terminal.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            "invalid_setting",
            f"{_wrong(error)}: {str(certificate)!r}, {str(key or certificate)!r}.",
            hint="SERVER_TLS_CERTIFICATE and SERVER_TLS_KEY are PEM files of a pair.",
            param="server_tls_key" if key else "server_tls_certificate",
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")


def _wrong(error: ssl.SSLError | ValueError) -> str:
    if not isinstance(error, ssl.SSLError):
        return "The key has a password, and nobody is here to type it"
    if error.reason == "KEY_VALUES_MISMATCH":
        return "The key is not the certificate's"
    return "These are no certificate and key in PEM"
