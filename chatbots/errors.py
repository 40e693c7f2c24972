"""What can go wrong, as one tree.

ChatError                    what every public call raises
├── ConfigurationError       the operator must act: settings, keys, weights, disk
├── InvalidRequest           the caller must act: the request as it is cannot succeed
├── AccessDenied             the caller may not, or not now: who it is, where from, how much
├── TurnCancelled            the caller acted: the turn was stopped on purpose
├── ProviderError            the model's server, or the way to it
├── StorageError             the session store
└── ToolError                what a tool stands on, such as a server of tools

The classes say who must act, the codes say what happened.
`docs/errors.md` is generated from this module.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class Code(NamedTuple):
    """What a code means to each kind of reader."""

    category: str
    """validation | auth | rate_limit | timeout | upstream | tool | internal | unknown_type |
    too_large: the `error_category` of a wire frame."""
    retryable: bool
    """Whether the same request may succeed later."""
    http: int
    """The HTTP status for this error."""
    close: int
    """The WebSocket close code (RFC 6455, section 7.4) when the error ends the connection."""
    meaning: str
    exit: int = 1
    """The exit status of a program that it ends."""


class ChatError(Exception):
    """Something a user of this package may expect to go wrong.

    `code` is one of the class's `CODES`, `retry_after` is in seconds,
    `hint` says what to do about it, and `partial` holds the text of the answer
    that had arrived before the turn failed.
    """

    CODES: ClassVar[dict[str, Code]] = {}

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
        param: str | None = None,
        partial: str = "",
    ) -> None:
        super().__init__(code, message)  # both, so that it can be pickled and copied
        self.code = code
        self.message = message
        self.retryable = self.CODES[code].retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.hint = hint
        self.param = param
        self.partial = partial

    @property
    def exit_status(self) -> int:
        """The exit status of a program that it ends."""
        return self.CODES[self.code].exit

    @property
    def category(self) -> str:
        """The `error_category` of a wire frame."""
        return self.CODES[self.code].category

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


class ConfigurationError(ChatError):
    """The operator must act."""

    CODES: ClassVar = {
        "not_configured": Code("auth", False, 500, 1011, "no key, no base URL, no local model"),
        "invalid_setting": Code("validation", False, 500, 1011, "a setting has no usable value"),
        "file_unreadable": Code("validation", False, 500, 1011, "a named file cannot be read"),
        "extra_missing": Code("internal", False, 500, 1011, "an optional dependency is missing"),
        "weights_missing": Code("internal", False, 500, 1011, "the local model is not downloaded"),
        "weights_mismatch": Code("internal", False, 500, 1011, "weights whose sha256 is wrong"),
        "download_failed": Code("upstream", True, 500, 1011, "no source delivered the weights"),
        "disk_full": Code("internal", True, 507, 1011, "no room left on the disk"),
        "unsafe_start": Code("validation", False, 500, 1011, "open to strangers as configured", 2),
        "sound_unavailable": Code("internal", True, 500, 1011, "no microphone, or no loudspeaker"),
        "local_model_failed": Code("internal", True, 503, 1011, "the local model's process died"),
    }


class InvalidRequest(ChatError):
    """The caller must act: the request as it is cannot succeed. `param` names the culprit."""

    CODES: ClassVar = {
        "invalid_request": Code("validation", False, 400, 1008, "a value the API cannot take"),
        "prompt_too_long": Code("too_large", False, 413, 1009, "more text than the setting allows"),
        "session_busy": Code("validation", True, 409, 1013, "the session has a turn running"),
        "session_not_found": Code("validation", False, 404, 1008, "no such session, or turn of it"),
        "session_exists": Code("validation", False, 409, 1008, "the name of a session is taken"),
        "request_id_conflict": Code(
            "validation", False, 409, 1008, "the request id was used for another request"
        ),
        "unknown_type": Code("unknown_type", False, 400, 1008, "no request of this type"),
        "frame_too_large": Code("too_large", False, 413, 1009, "more than a frame may hold"),
    }


class AccessDenied(ChatError):
    """The caller may not, or not now; a server says so before it does anything."""

    CODES: ClassVar = {
        "unauthorized": Code("auth", False, 401, 1008, "no token, or one that is not valid"),
        "origin_not_allowed": Code("auth", False, 403, 1008, "a web page that may not connect"),
        "host_not_allowed": Code("auth", False, 403, 1008, "not a name of this server"),
        "too_many_requests": Code("rate_limit", True, 429, 1013, "more at once than a user may"),
        "quota_spent": Code("rate_limit", True, 429, 1013, "the user's tokens of today are spent"),
        "going_away": Code("internal", True, 503, 1001, "the server is ending"),
    }


class TurnCancelled(ChatError):
    """The caller stopped the turn."""

    CODES: ClassVar = {
        "cancelled": Code("validation", False, 499, 1000, "the caller stopped the turn", 130),
    }


class ProviderError(ChatError):
    """The model's server failed or refused, or could not be reached."""

    CODES: ClassVar = {
        "upstream_unreachable": Code("upstream", True, 502, 1011, "no connection to the server"),
        "upstream_tls": Code("upstream", False, 502, 1011, "the server's certificate is refused"),
        "upstream_auth": Code("auth", False, 502, 1011, "the server refuses the key"),
        "model_not_available": Code("upstream", False, 502, 1011, "the server has no such model"),
        "rate_limited": Code("rate_limit", True, 429, 1013, "the server asks to slow down"),
        "quota_exhausted": Code("rate_limit", False, 429, 1011, "the account has no credit left"),
        "upstream_timeout": Code("timeout", True, 504, 1011, "no answer within the deadline"),
        "upstream_error": Code("upstream", True, 502, 1011, "the server failed"),
        "upstream_bad_response": Code("upstream", True, 502, 1011, "the answer makes no sense"),
        "stream_interrupted": Code("upstream", True, 502, 1011, "the answer broke off"),
        "stream_stalled": Code("timeout", True, 504, 1011, "the answer stopped coming"),
        "context_too_long": Code("too_large", False, 413, 1009, "more than the model can read"),
        "output_invalid": Code("upstream", True, 502, 1011, "the answer does not fit its schema"),
        "content_filtered": Code("validation", False, 400, 1008, "the provider's filter refused"),
        "circuit_open": Code("upstream", True, 503, 1013, "the server failed too often just now"),
    }


class StorageError(ChatError):
    """The session store cannot do what was asked; nothing was stored half."""

    CODES: ClassVar = {
        "storage_unavailable": Code("internal", True, 503, 1013, "the store cannot be written"),
        "turn_lost": Code("internal", False, 500, 1011, "taken for dead, and ended by another"),
        "storage_unusable": Code("internal", False, 500, 1011, "the store is none, or is damaged"),
    }


class ToolError(ChatError):
    """What a tool stands on failed; in a turn the model is told, and may go on without it."""

    CODES: ClassVar = {
        "tool_server_failed": Code("tool", True, 502, 1011, "an MCP server failed or went away"),
    }


def error_of(code: str, message: str) -> ChatError:
    """Return the error for a *code*, of the class that owns it; raises `KeyError` for none."""
    for kind in ChatError.__subclasses__():
        if code in kind.CODES:
            return kind(code, message)
    raise KeyError(code)
