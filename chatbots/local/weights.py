"""Finding weights that are on this machine already, and making sure they are the right ones.

A file is right if its sha256 is, wherever it came from.
Hashing half a gigabyte takes a second, so what was found is noted beside the file,
and trusted until its size or its time of change says otherwise.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from chatbots.errors import ConfigurationError
from chatbots.local.files import sha256_of, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatbots.local.catalog import Weights

_MAGIC: Final = b"GGUF"
"""How every model file begins (GGUF specification, "File Structure")."""


class _Stamp(Struct, frozen=True):
    size: int
    mtime_ns: int
    sha256: str


class WeightStore:
    """The weights of this machine: our cache, and what other programs have fetched.

    All methods block: they read files, now and then a whole one.
    """

    def __init__(self, cache_dir: Path, *, hub_cache: Path, ollama_dir: Path) -> None:
        self._folder = cache_dir / "models"
        self._hub_cache = hub_cache
        self._ollama_dir = ollama_dir

    @property
    def folder(self) -> Path:
        """Where our own files lie."""
        return self._folder

    def place(self, weights: Weights) -> Path:
        """Return where *weights* lie in our cache, there or not."""
        return self._folder / weights.file

    def find(self, weights: Weights) -> Path | None:
        """Return the path of *weights*, or None if they are not on this machine.

        What another program has fetched is linked into our cache, not copied.
        Raises `ConfigurationError` (`weights_mismatch`) for a wrong file in our cache.
        """
        place = self.place(weights)
        if not place.exists():
            return self._link(weights)
        if not self._is_right(place, weights):
            raise _mismatch(place, weights)
        return place

    def verify(self, weights: Weights) -> Path | None:
        """Hash *weights* once more, whatever is noted; otherwise as `find`."""
        _stamp_of(self.place(weights)).unlink(missing_ok=True)
        return self.find(weights)

    def remember(self, path: Path, sha256: str) -> None:
        """Note that the file at *path*, as it is now, has this *sha256*."""
        status = path.stat()
        stamp = _Stamp(size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256)
        write_whole(_stamp_of(path), msgspec.json.encode(stamp))

    def _is_right(self, path: Path, weights: Weights) -> bool:
        try:
            status = path.stat()
            if not path.is_file() or status.st_size != weights.size:
                return False
            noted = _noted(path)
            if noted and (noted.size, noted.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return noted.sha256 == weights.sha256
            found = sha256_of(path)
        except OSError as error:
            raise ConfigurationError(
                "file_unreadable",
                f"The weights {path} cannot be read: {error.strerror or error}.",
                hint="Check the file's permissions, or delete it and fetch it again.",
            ) from error
        self._remember_if_possible(path, found)
        return found == weights.sha256

    def _remember_if_possible(self, path: Path, sha256: str) -> None:
        try:
            self.remember(path, sha256)
        except OSError:
            return  # A cache one may only read works as well, a second later.

    def _link(self, weights: Weights) -> Path | None:
        place = self.place(weights)
        for blob in self._elsewhere(weights):
            if not self._matches(blob, weights):
                continue
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.unlink(missing_ok=True)  # A link whose target is gone.
                place.symlink_to(blob.resolve())
            except OSError:
                return blob  # No room of our own: use it where it lies.
            self._remember_if_possible(place, weights.sha256)
            return place
        return None

    def _elsewhere(self, weights: Weights) -> Iterator[Path]:
        """Files of installed packages and other programs that may well have the right sha256."""
        if weights.package is not None:
            module, _, name = weights.package.partition("/")
            spec = find_spec(module)
            if spec is not None and spec.origin is not None:
                yield Path(spec.origin).parent / name
        yield from sorted(self._hub_cache.glob(f"models--*/blobs/{weights.sha256}"))
        yield self._ollama_dir / "blobs" / f"sha256-{weights.sha256}"

    def _matches(self, blob: Path, weights: Weights) -> bool:
        # Another program's damaged file is that program's concern: pass it by.
        try:
            right_size = blob.is_file() and blob.stat().st_size == weights.size
            return right_size and sha256_of(blob) == weights.sha256
        except OSError:
            return False


def own_file(path: Path) -> Path:
    """Return *path*, a model file of the user's own, if it can be one.

    Raises `ConfigurationError`: `file_unreadable`, or `invalid_setting` for another format.
    """
    hint = "Name a GGUF file, or name none to use the default model."
    if path.exists() and not path.is_file():
        raise ConfigurationError(
            "file_unreadable", f"The model file {path} is not a file.", hint=hint
        )
    try:
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name.
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            "file_unreadable", f"The model file {path} cannot be read: {reason}.", hint=hint
        ) from error
    if begin != _MAGIC:
        raise ConfigurationError(
            "invalid_setting", f"The model file {path} is not in the GGUF format.", hint=hint
        )
    return path.absolute()


def _stamp_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.stamp")


def _noted(path: Path) -> _Stamp | None:
    try:
        return msgspec.json.decode(_stamp_of(path).read_bytes(), type=_Stamp)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _mismatch(path: Path, weights: Weights) -> ConfigurationError:
    return ConfigurationError(
        "weights_mismatch",
        f"{path} is not {weights.title}: its size or its sha256 is wrong.",
        hint="Replace it with: chatbots models pull",
    )
