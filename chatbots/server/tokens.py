"""Who is known: a file of hashed tokens, to which only ever a line is added."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time
from typing import Final

import msgspec
from msgspec import Struct

from chatbots.errors import ConfigurationError, InvalidRequest

_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_PREFIX: Final = "cb_"
_MODE: Final = 0o600
_OTHERS_WRITE: Final = 0o022


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the file: a token by its hash, or that the token of this id is revoked.

    `at` is in Unix seconds.
    """

    id: str
    user: str = ""
    sha256: str = ""
    at: float
    revoked: bool = False


class TokenFile:
    """The tokens in the file at *path*, read anew whenever it has changed.

    A token is 256 random bits, so a plain hash of it tells nothing and needs no salt.
    *clock* tells Unix seconds. Methods raise `ConfigurationError` (`file_unreadable`) for a file
    that cannot be used, as one that others may write.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time) -> None:
        self.path = path
        self._clock = clock
        self._seen: tuple[int, ...] = ()
        self._tokens: dict[str, Token] = {}

    def exists(self) -> bool:
        """Return whether there is a file; then nobody comes in without a token of it."""
        return self.path.exists()

    def add(self, user: str) -> str:
        """Make a token for *user* and return it; it is kept nowhere else.

        Raises `InvalidRequest` for a name that would not fit before the names of sessions.
        """
        if not _USER.fullmatch(user):
            raise InvalidRequest(
                "invalid_request",
                f"{user!r} cannot be a user's name.",
                hint="Take letters, digits and ._@+-, 64 at most; the first a letter or a digit.",
                param="user",
            )
        identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        self._write(Token(id=identity, user=user, sha256=_hash(secret), at=self._clock()))
        return f"{_PREFIX}{identity}_{secret}"

    def revoke(self, name: str) -> Sequence[Token]:
        """Revoke the token with this id, or all of the user of this name; return them."""
        revoked = [token for token in self.tokens() if name in (token.id, token.user)]
        for token in revoked:
            self._write(Token(id=token.id, at=self._clock(), revoked=True))
        return revoked

    def tokens(self) -> Sequence[Token]:
        """Return the tokens that are valid, oldest first."""
        self._refresh()
        return tuple(self._tokens.values())

    def user_of(self, token: str) -> str | None:
        """Return whose *token* it is; None where it is not valid, or not any more."""
        self._refresh()
        identity, _, secret = token.removeprefix(_PREFIX).partition("_")
        kept = self._tokens.get(identity)
        # What is unknown is compared too: how long it takes must not tell which ids there are.
        same = hmac.compare_digest(_hash(secret), kept.sha256 if kept else _hash(""))
        return kept.user if kept and same else None

    def _refresh(self) -> None:
        try:
            about = self.path.stat()
            seen = (about.st_ino, about.st_mtime_ns, about.st_size, about.st_mode)
            if seen == self._seen:
                return
            if about.st_mode & _OTHERS_WRITE:
                raise self._unusable("others than its owner may write it")
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            self._seen, self._tokens = (), {}
            return
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        self._tokens, self._seen = self._valid(lines), seen

    def _valid(self, lines: Sequence[bytes]) -> dict[str, Token]:
        valid: dict[str, Token] = {}
        for number, line in enumerate(lines, 1):
            try:
                token = msgspec.json.decode(line, type=Token)
            except ValueError as error:
                raise self._unusable(f"line {number} is none of ours") from error
            if token.revoked:
                valid.pop(token.id, None)
            else:
                valid[token.id] = token
        return valid

    def _write(self, token: Token) -> None:
        line = msgspec.json.encode(token) + b"\n"
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, flags, _MODE)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = os.fstat(file).st_size
                if os.write(file, line) < len(line):
                    os.ftruncate(file, size)  # the disk is full: no line at all
                    raise self._unusable("there is no room left for it")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            "file_unreadable",
            f"The file of tokens {str(self.path)!r} cannot be used: {why}.",
            hint="Mend it, or move it away: `chatbots tokens add NAME` makes a new one.",
        )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
