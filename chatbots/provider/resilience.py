"""What happened when the provider failed, in our own words."""

from __future__ import annotations

import email.utils
import math
import ssl
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx2
import msgspec
import openai
from msgspec import Struct

from chatbots import telemetry
from chatbots.errors import ChatError, InvalidRequest, ProviderError
from chatbots.provider.guard import spoken
from chatbots.provider.streamed import interrupted

_NO_SERVER: Final = ("disconnected", "status", "Expected HTTP/")
"""Words of httpx2 and llhttp where what listens sent no HTTP at all, or nothing."""

_BY_CODE: Final = {
    "insufficient_quota": "quota_exhausted",
    "credit_balance_exhausted": "quota_exhausted",
    "context_length_exceeded": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "content_filter": "content_filtered",
    "model_not_found": "model_not_available",
}
_BY_STATUS: Final = {
    400: "invalid_request",
    401: "upstream_auth",
    403: "upstream_auth",
    404: "model_not_available",
    413: "invalid_request",
    422: "invalid_request",
    429: "rate_limited",
    501: "invalid_request",  # llama.cpp, for embeddings it was not started to make
}
_HINTS: Final = {
    "upstream_auth": "Check the key (OPENAI_API_KEY, or AZURE_OPENAI_API_KEY) and its rights.",
    "model_not_available": "Name another with --model or OPENAI_MODEL.",
    "quota_exhausted": "Add credit to the account, or use another key.",
    "context_too_long": "Shorten the prompt, or begin a new session.",
    "upstream_tls": "Check the host's name, or add its authority with SSL_CERT_FILE.",
    "upstream_unreachable": "Check the network and the base URL.",
    "upstream_error": "Ask again later.",
    "rate_limited": "Ask again later.",
}


@contextmanager
def foreign_errors(client: openai.AsyncOpenAI, *, in_stream: bool = False) -> Generator[None]:
    """Raise a `ChatError` in place of what the SDK, the transport or a decoder raises.

    What the server said is quoted, without the client's key.
    *in_stream*: the server had begun to answer, so a lost connection is an interrupted answer.
    """
    try:
        yield
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
        _blot_out(client.api_key, error)
        said = _short(telemetry.redact(str(error)))
        late = isinstance(error, openai.APITimeoutError | httpx2.TimeoutException)
        if in_stream and late:
            code, message = "stream_stalled", "The answer stopped coming before it was whole."
        elif late:
            code = "upstream_timeout"
            message = f"The model's server at {_host(client)} did not answer."
        elif in_stream and isinstance(error, httpx2.TransportError):
            raise interrupted() from error
        elif isinstance(error, openai.APIConnectionError | httpx2.TransportError):
            raise _of_connection(client, error) from error
        elif not isinstance(error, openai.OpenAIError):
            code, message = "upstream_bad_response", f"The server's answer makes no sense: {said}"
        elif isinstance(error, openai.APIError):
            code, message = "upstream_error", f"The model's server failed: {said}"
        else:
            code, message = "upstream_auth", said
        raise ProviderError(code, message) from error


def _blot_out(key: str, error: BaseException | None) -> None:
    """Take the key out of all that led to *error*: h11 quotes what it cannot read."""
    while error is not None:
        said = (telemetry.redact(arg, key) if isinstance(arg, str) else arg for arg in error.args)
        error.args = tuple(said)
        error = error.__cause__ or error.__context__


def of_code(code: object, said: str, *, status: int | None = None) -> ChatError:
    """Return the error for what a server *said* with an error *code*, in a body or in a stream."""
    by_status = _BY_STATUS.get(status or 0, "upstream_error")
    kind = _BY_CODE.get(code, by_status) if isinstance(code, str) else by_status
    message = f"{_MEANS[kind]}{_quoted(said, status)}"
    if kind == "invalid_request":
        return InvalidRequest(kind, message)
    return ProviderError(kind, message, hint=_HINTS.get(kind))


_MEANS: Final = {
    "invalid_request": "The model's server refused the request",
    "upstream_auth": "The model's server refused the key",
    "model_not_available": "The model's server has no such model",
    "rate_limited": "The model's server asks to slow down",
    "quota_exhausted": "The account at the model's server has no credit left",
    "context_too_long": "The conversation is longer than the model can read",
    "content_filtered": "The provider's filter refused the request",
    "upstream_error": "The model's server failed",
}


def of_status(
    client: openai.AsyncOpenAI, status: int, headers: Mapping[str, str], body: bytes
) -> ChatError:
    """Return the error for an answer of *status*, with what its *body* says, the key taken out."""
    code, said = _what_it_said(body)
    said = telemetry.redact(said, client.api_key)
    if 300 <= status < 400:
        return ProviderError(
            "upstream_bad_response",
            f"The model's server at {_host(client)} redirects elsewhere, which is not followed "
            f"(status {status}).",
            retryable=False,
            hint="Check the base URL.",
        )
    mapped = of_code(code, said, status=status)
    mapped.retry_after = retry_after(headers)
    wish = headers.get("x-should-retry")
    if wish in ("true", "false") and mapped.code != "quota_exhausted":
        mapped.retryable = wish == "true"
    if mapped.retryable and mapped.retry_after:
        mapped.hint = f"Ask again in {spoken(mapped.retry_after)}."
    return mapped


class _Said(Struct):
    message: str | None = None
    code: str | int | None = None


class _Refusal(_Said):
    error: _Said | str | None = None


def _what_it_said(body: bytes) -> tuple[object, str]:
    """Return the error code in *body* and its message, or else its text unless it is a page."""
    text = body.decode(errors="replace")
    try:
        said = msgspec.json.decode(body, type=_Refusal)
    except (ValueError, RecursionError):
        return None, "" if text.lstrip().startswith("<") else text
    if isinstance(said.error, str):
        return said.code, said.error
    told = said.error or said
    return told.code, text if told.message is None else told.message


def _of_connection(client: openai.AsyncOpenAI, error: Exception) -> ChatError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ProviderError(
                "upstream_tls",
                f"The certificate of {_host(client)} is refused: {cause.verify_message}.",
                hint=_HINTS["upstream_tls"],
            )
        cause = cause.__cause__ or cause.__context__
    told = error if isinstance(error, httpx2.TransportError) else error.__cause__ or error
    said = _short(telemetry.redact(str(told))).rstrip(".")
    if isinstance(told, httpx2.RemoteProtocolError) and not any(w in str(told) for w in _NO_SERVER):
        return ProviderError(
            "upstream_bad_response", f"The answer of {_host(client)} is no proper HTTP: {said}."
        )
    return ProviderError(
        "upstream_unreachable",
        f"No connection to the model's server at {_host(client)}: {said}.",
        hint=_HINTS["upstream_unreachable"],
    )


def _host(client: openai.AsyncOpenAI) -> str:
    url = client.base_url
    return f"{url.host}:{url.port}" if url.port else str(url.host)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait: `retry-after-ms`, or `retry-after` (RFC 9110).

    None where it says nothing usable.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, date.timestamp() - time.time())


def _quoted(said: str, status: int | None) -> str:
    where = f" (status {status})" if status else ""
    return f"{where}: {_short(said)}" if said.strip() else f"{where}."


def _short(said: str) -> str:
    said = " ".join(said.split())
    return said if len(said) <= 300 else f"{said[:300]}…"
