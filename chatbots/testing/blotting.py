"""What must not be stored of an exchange, blotted out byte for byte so that lengths still hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

BLOT: Final = b"x"
KEPT: Final = re.compile(
    r"accept|connection$|content-|host$|user-agent$|x-stainless-|idempotency-|openai-beta$"
)
"""Headers of a request that are stored; any other may be a gateway's key."""
TELLING: Final = re.compile(
    rb"(?im)^(?!x-ratelimit)([\w-]*(?:auth|key|cookie|token|secret|organi[sz]ation|project|session|"
    rb"account|user|email)[\w-]*:[ \t]*)([^\r\n]+)"
)
"""Headers of a response whose values are blotted out."""
QUERY: Final = re.compile(r"(?i)([?&][\w-]*(?:key|token|secret|sig|code)[\w-]*=)[^&]+")
SECRETS: Final = re.compile(
    rb"\b(?:(?:sk|ek|rk|pk|gsk|hf|sess)[-_][\w*-]{12,}|(?:org|proj|user)[-_][A-Za-z0-9]{20,}"
    rb"|bearer +[\w.~+/=-]{16,})",
    re.IGNORECASE,
)
"""Keys and the ids of organizations, projects and users, wherever they are."""


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that may be stored."""
    return {name: value for name, value in headers.items() if KEPT.match(name)}


def known(headers: Mapping[str, str]) -> list[bytes]:
    """Return the secrets that a request carried: every word of the headers that are not stored."""
    words = [
        word
        for name, value in headers.items()
        if not KEPT.match(name)
        for word in re.split(r"[\s;,=]+", value)
    ]
    return sorted((word.encode() for word in words if len(word) >= 8), key=len, reverse=True)


def blotted(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Return *data*, as long as before, without the *secrets* and what looks like one."""
    for secret in secrets:
        data = data.replace(secret, BLOT * len(secret))
    return SECRETS.sub(lambda found: BLOT * len(found[0]), data)


def blotted_response(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Return a response, as long as before, without telling headers and secrets."""
    head, blank, body = data.partition(b"\r\n\r\n")
    head = TELLING.sub(lambda found: found[1] + BLOT * len(found[2]), head)
    return blotted(head + blank + body, secrets)


def without_keys(target: str) -> str:
    """Return a request's target with its keys blotted out."""
    return QUERY.sub(lambda found: found[1] + "x", target)
