"""Which models can be fetched, what they must hash to, and where they may come from.

The rows are data, in `models.toml`: no Python file names a source.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from chatbots.errors import ConfigurationError

_ROWS = "models.toml"


class HubSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"):
    """A whole file behind one URL, in which `{revision}` and `{file}` are filled in."""

    title: str
    url: str


class Wheel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One data wheel: a zip on a package index with a piece of the file in its `member`.

    `size` and `sha256` are the wheel's own, `member_size` is that of the piece, in bytes.
    `among`: the wheel is no data wheel but its publisher's package, and holds other things too.
    """

    distribution: str
    version: str
    size: int
    sha256: str
    member: str
    member_size: int
    among: bool = False


class WheelSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="wheels"):
    """A file in pieces, one in each wheel, in order; `index` is where, if nobody says otherwise."""

    title: str
    index: str
    wheel: tuple[Wheel, ...]


class TarballSource(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tarball"
):
    """A gzipped tar behind one URL; the file is its `members`, joined in their order.

    `size` and `sha256` are the tarball's own, in bytes.
    """

    title: str
    url: str
    size: int
    sha256: str
    members: tuple[str, ...]


Source: TypeAlias = HubSource | WheelSource | TarballSource


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model file. `size` in bytes and `sha256` in lower-case hex are what identifies it.

    `context` is the window of one conversation in tokens, `licence` an SPDX identifier,
    `origin` the page of whoever published it. `package`: where an installed package has the file.
    `voices`: who can speak with it. `optional`: the rest works without it. It is of use only where
    the package `extra` is installed, and the package `without` is not.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    licence: str
    origin: str
    revision: str = ""
    context: int = 0
    package: str | None = None
    voices: tuple[str, ...] = ()
    optional: bool = False
    extra: str = ""
    without: str = ""
    source: tuple[Source, ...] = ()


class _Rows(Struct, frozen=True, forbid_unknown_fields=True):
    model: tuple[Weights, ...]
    speech: tuple[Weights, ...] = ()


def load(path: Path | None = None) -> tuple[Weights, ...]:
    """Return the models of `models.toml`, or of the file at *path*; the first is the default.

    Raises `ConfigurationError` (`file_unreadable`, `invalid_setting`).
    """
    return _rows(path).model


def load_speech(path: Path | None = None) -> tuple[Weights, ...]:
    """Return what hearing and speaking need, all of it; otherwise as `load`."""
    return _rows(path).speech


def is_wanted(weights: Weights) -> bool:
    """Whether *weights* are of use with the packages that are installed."""
    needed = weights.extra or (weights.package or "").partition("/")[0]
    if needed and find_spec(needed) is None:
        return False
    return not weights.without or find_spec(weights.without) is None


def _rows(path: Path | None) -> _Rows:
    place = files("chatbots.local") / _ROWS if path is None else path
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "file_unreadable", f"The list of local models, {place}, cannot be read: {error}."
        ) from error
    try:
        rows = msgspec.convert(tomllib.loads(text), _Rows)
        for weights in rows.model + rows.speech:
            _check(weights)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(
            "invalid_setting", f"The list of local models, {place}, makes no sense: {error}."
        ) from error
    return rows


def find(name: str | None = None, *, rows: tuple[Weights, ...] | None = None) -> Weights:
    """Return the row called *name*, or the default.

    Raises `ConfigurationError` (`invalid_setting`) where there is none.
    """
    known = load() if rows is None else rows
    if name is None and known:
        return known[0]
    for weights in known:
        if weights.name == name:
            return weights
    names = ", ".join(weights.name for weights in known) or "none"
    raise ConfigurationError(
        "invalid_setting",
        f"There is no local model called {name!r}.",
        hint=f"Known: {names}. Any GGUF file can be used by its path.",
    )


def _check(weights: Weights) -> None:
    if "/" in weights.file or weights.file.startswith("."):
        raise ValueError(f"{weights.file!r} is not a plain file name")
    for source in weights.source:
        if isinstance(source, WheelSource):
            total = sum(wheel.member_size for wheel in source.wheel)
            if total != weights.size:
                raise ValueError(
                    f"the wheels of {weights.name} hold {total} bytes, not {weights.size}"
                )
