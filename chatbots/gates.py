"""How an application's server is guarded."""

from __future__ import annotations

import ssl

from chatbots.errors import ConfigurationError
from chatbots.places import spent_folder, tokens_file
from chatbots.server.exposure import check_exposure
from chatbots.server.gate import Gate
from chatbots.server.members import Limits
from chatbots.server.origins import names_of
from chatbots.server.quota import Ledger
from chatbots.server.tls import tls_context
from chatbots.server.tokens import TokenFile
from chatbots.settings import Settings


def gate_of(settings: Settings, *, insecure: bool = False) -> Gate:
    """Return the guard that *settings* ask for; *insecure* lets it be open to strangers.

    Raises `ConfigurationError`: `unsafe_start`, `invalid_setting`, or `file_unreadable` for the
    file of tokens; and `StorageError` where what users spend cannot be kept.
    """
    tokens = TokenFile(tokens_file(settings))
    tokens.tokens()  # one that cannot be used is told of now
    guarded = tokens.exists()
    host, quota = settings.server_host, settings.server_quota
    check_exposure(
        host, has_tokens=guarded, quota=quota, names=settings.server_hosts, insecure=insecure
    )
    ledger = None if quota is None else Ledger(spent_folder(settings))
    if ledger is not None:
        ledger.spent("")
    own = "" if ":" in host else host
    return Gate(
        names=names_of(f"{settings.server_hosts},{own}", settings.server_origins),
        tokens=tokens if guarded else None,
        ledger=ledger,
        limits=Limits(
            rate=settings.server_rate,
            burst=settings.server_burst,
            sockets=settings.server_user_sockets,
            turns=settings.server_user_streams,
            quota=quota,
        ),
    )


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Return what the server needs to speak TLS; None where it is not set up. See `tls_context`."""
    certificate = settings.server_tls_certificate
    if certificate is None and settings.server_tls_key is not None:
        why = "SERVER_TLS_KEY is set, but SERVER_TLS_CERTIFICATE is not."
        raise ConfigurationError("invalid_setting", why, hint="Set both, or neither.")
    return None if certificate is None else tls_context(certificate, settings.server_tls_key)
