"""A file that grows towards a known size and sha256, and survives being interrupted."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

_BLOCK: Final = 1 << 20


class Part:
    """An unfinished file, hashed as it grows. Use it as a context manager; all methods block.

    What an earlier process left is taken up again: hashed, and then appended to.
    The bytes on disk are the only record of how far it came, so that no record can be wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self._digest = hashlib.sha256()
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._open_file.close()
        self._file = None

    def keep(self, length: int) -> None:
        """Take up the first *length* bytes of what is there; forget the rest."""
        file = self._open_file
        length = min(length, self.size_on_disk)
        if length < self.size_on_disk:
            file.truncate(length)
        file.seek(0)
        self._digest = hashlib.sha256()
        self.length = 0
        while self.length < length and (block := file.read(_BLOCK)):
            self._digest.update(block)
            self.length += len(block)

    def append(self, data: bytes) -> None:
        """Add *data*. Raises `OSError` where there is no room; a short write is completed first."""
        view = memoryview(data)
        while view:
            written = self._open_file.write(view)
            self._digest.update(view[:written])
            self.length += written
            view = view[written:]

    def sha256(self) -> str:
        """Return the sha256 of what is there, in lower-case hex."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Wait until the disk has it: what is renamed into place must survive a power loss."""
        os.fsync(self._open_file.fileno())

    @property
    def size_on_disk(self) -> int:
        """How many bytes are there, taken up again or not."""
        return os.fstat(self._open_file.fileno()).st_size

    @property
    def _open_file(self) -> FileIO:
        if self._file is None:
            raise ValueError(f"{self.path} is not open")
        return self._file
