"""What it means that a socket failed, in our own words: the same for every transport."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

import msgspec

from chatbots import telemetry
from chatbots.errors import ChatError, ConfigurationError, InvalidRequest, ProviderError


class Meaning(NamedTuple):
    """The code of the error, and what is said of the server at a host."""

    code: str
    said: str


class End(Protocol):
    """A close frame."""

    @property
    def code(self) -> int:
        """The close code."""
        ...

    @property
    def reason(self) -> str:
        """What was said; may be empty."""
        ...


_KEY: Final = Meaning("upstream_auth", "{} refuses the key")
_MODEL: Final = Meaning("model_not_available", "{} has no such model, or no such path")
_BUSY: Final = Meaning("upstream_error", "{} cannot take a session now")
_EXPIRED: Final = Meaning("stream_interrupted", "{} has let the session expire")

_BY_STATUS: Final = {
    400: Meaning("invalid_request", "{} refuses the session as it was asked for"),
    401: _KEY,
    403: Meaning("upstream_auth", "{} does not allow this key to do that"),
    404: _MODEL,
    407: Meaning("upstream_unreachable", "The proxy in front of {} wants a password"),
    429: Meaning("rate_limited", "{} asks to slow down"),
}
_BY_WORD: Final = {
    "insufficient_quota": Meaning("quota_exhausted", "The account at {} has no credit left"),
    "credit_balance_exhausted": Meaning("quota_exhausted", "The account at {} has no credit left"),
    "rate_limit": _BY_STATUS[429],
    "invalid_api_key": _KEY,
    "model_not_found": _MODEL,
    "beta_api_shape_disabled": Meaning("invalid_setting", "{} no longer speaks the beta dialect"),
    "session_expired": _EXPIRED,
    "maximum duration": _EXPIRED,
}
"""Words in what OpenAI says, as a code or, closing a socket, in its reason."""
_BY_CLOSE: Final = {
    1000: Meaning("stream_interrupted", "{} has ended the session"),
    1001: Meaning("stream_interrupted", "{} is going away, or the session has expired"),
    1005: Meaning("stream_interrupted", "{} has ended the session, and did not say why"),
    1006: Meaning("stream_interrupted", "{} dropped the connection"),
    1007: Meaning("invalid_request", "{} could not read a message"),
    1008: Meaning("invalid_request", "{} refuses to go on, by its policy"),
    1009: Meaning("invalid_request", "A message was too large for {}"),
    1011: Meaning("upstream_error", "{} failed in the middle of the session"),
    1012: Meaning("upstream_error", "{} is being restarted"),
    1013: _BUSY,
    3000: _KEY,
    3003: _BY_STATUS[403],
}
"""By the code of a close frame (RFC 6455, section 7.4.1, and IANA's registry)."""
_HINTS: Final = {
    "upstream_auth": "Check the key (OPENAI_API_KEY, or AZURE_OPENAI_API_KEY) and its rights.",
    "model_not_available": "Name another model, and check the address.",
    "invalid_setting": "Have it speak today's, GA.",
    "quota_exhausted": "Add credit to the account, or use another key.",
    "rate_limited": "Ask again later.",
    "upstream_error": "Ask again later.",
    "upstream_unreachable": "Check the network, the proxy and the address.",
}


class Peer(NamedTuple):
    """The server at the other end: its *host*, and the *secrets* that no message may repeat."""

    host: str
    secrets: tuple[str, ...] = ()

    @classmethod
    def at(cls, url: str, headers: Mapping[str, str]) -> Self:
        """Return who is asked at *url* with these *headers*."""
        keys = [v for name, v in headers.items() if name.lower() in ("authorization", "api-key")]
        return cls(urlsplit(url).netloc, tuple(key.removeprefix("Bearer ") for key in keys))

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatError:
        """Return the error for a handshake answered with *status*, and what the *body* says."""
        said = body[:4096].decode(errors="replace")
        where = Meaning("upstream_error", "{} failed to open the session")
        if status < 400:
            where = Meaning("upstream_bad_response", "{} opens no socket there")
        elif status < 500:
            where = _BY_STATUS.get(status, _BY_STATUS[400])
        error = self._error(
            _meant(said) or where, f"{_told(said).rstrip('.')} (status {status})".strip()
        )
        if status < 400:
            error.retryable, error.hint = False, "Check the address."
        after = headers.get("retry-after", "")
        error.retry_after = float(after) if after.isdecimal() else None
        return error

    def closed(self, code: int, reason: str = "") -> ChatError:
        """Return the error for a session that the server ended with a close *code*.

        1006 is for a connection that is gone without a word (RFC 6455, section 7.1.5).
        """
        broken = Meaning("upstream_error", "{} has ended the session")
        if code in (1002, 1003):
            broken = Meaning("upstream_bad_response", "{} says that the protocol was broken")
        meaning = _meant(reason) or _BY_CLOSE.get(code, broken)
        return self._error(meaning, reason if code == 1006 else f"{reason} (code {code})".strip())

    def ended(
        self, theirs: End | None, ours: End | None, *, theirs_first: bool | None
    ) -> ChatError:
        """Return the error for a session by the close frames that were seen of both sides."""
        if theirs and (theirs_first or not ours):
            return self.closed(theirs.code, theirs.reason)
        return self.failed(ours.code, ours.reason) if ours else self.closed(1006)

    def failed(self, code: int, reason: str = "") -> ChatError:
        """Return the error for a session that had to be ended here with a close *code*.

        1009: a message was too large, 1011: no sign of life came, else: nonsense did.
        """
        if code == 1011:
            return self._error(Meaning("stream_stalled", "{} gives no sign of life"))
        large = "{} sent a message larger than is taken"
        said = large if code == 1009 else "{} sent what makes no sense"
        return self._error(
            Meaning("upstream_bad_response", said), f"{reason} (code {code})".strip()
        )

    def told(self, code: str | None, said: str | None) -> ChatError:
        """Return the error for what the server says went wrong in an event, by its code or type."""
        failed = Meaning("upstream_error", "{} failed")
        if (code or "").startswith(("invalid", "missing", "unknown", "conversation_", "item_")):
            failed = Meaning("invalid_request", "{} refuses what was asked of it")
        return self._error(_meant(code or "") or failed, said or code or "")

    def unreachable(self, error: OSError) -> ChatError:
        """Return the error for a connection that could not be made."""
        if isinstance(error, TimeoutError):
            return self._error(Meaning("upstream_timeout", "{} did not open the session in time"))
        if isinstance(error, ssl.SSLCertVerificationError):
            certificate = Meaning("upstream_tls", "The certificate of {} is refused")
            hint = "Check the host's name, or add its authority with SSL_CERT_FILE."
            return self._error(certificate, error.verify_message, hint=hint)
        if isinstance(error, ssl.SSLError):
            plain = Meaning("upstream_tls", "No TLS with {}")
            hint = "A server without TLS has an address with http:// or ws://."
            return self._error(plain, str(error), hint=hint)
        if isinstance(error, socket.gaierror):
            return self._error(Meaning("upstream_unreachable", "The name of {} is not known"))
        return self._error(Meaning("upstream_unreachable", "No connection to {}"), str(error))

    def senseless(self, said: str) -> ChatError:
        """Return the error for a handshake that was answered as no WebSocket server does."""
        meaning = Meaning("upstream_bad_response", "What answers at {} is no WebSocket server")
        return self._error(meaning, said, hint="Check the address.")

    def stuck(self, seconds: float) -> ChatError:
        """Return the error for a peer that did not take what was sent within so many *seconds*."""
        return self._error(
            Meaning("stream_stalled", f"{{}} took nothing of what was sent for {seconds:g} seconds")
        )

    def proxied(self, proxy: str, said: str) -> ChatError:
        """Return the error for a *proxy*, a URL, that would not lead there."""
        its = urlsplit(proxy).hostname
        meaning = Meaning(
            "upstream_unreachable", f"The proxy {its} leads to no connection with {{}}"
        )
        return self._error(meaning, said)

    def _error(self, meaning: Meaning, said: str = "", *, hint: str | None = None) -> ChatError:
        code, words = meaning
        said = " ".join(telemetry.redact(said, *self.secrets).split()).rstrip(".")
        said = said if len(said) <= 300 else f"{said[:300]}…"
        bare = said.startswith("(")
        message = words.format(self.host) + (f"{' ' if bare else ': '}{said}" if said else "")
        kinds = (ConfigurationError, InvalidRequest, ProviderError)
        kind = next(kind for kind in kinds if code in kind.CODES)
        end = "" if message.endswith(("!", "?", "…")) else "."
        return kind(code, f"{message[0].upper()}{message[1:]}{end}", hint=hint or _HINTS.get(code))


def _meant(said: str) -> Meaning | None:
    return next((meaning for word, meaning in _BY_WORD.items() if word in said), None)


def _told(said: str) -> str:
    """Return the message in the body of a refusal; nothing of a page."""
    try:
        told = msgspec.json.decode(said, type=dict[str, dict[str, object]])
        return str(told["error"]["message"])
    except (ValueError, KeyError):
        return "" if said.lstrip().startswith("<") else said
