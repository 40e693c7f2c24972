"""A file out of a gzipped tar: fetched whole, checked by its own sha256, and only then opened."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from chatbots.local.fetch import Item, WrongBytes, fetch, split_credentials
from chatbots.local.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx2

    from chatbots.local.catalog import TarballSource

_BLOCK: Final = 1 << 20


async def fetch_members(
    client: httpx2.AsyncClient,
    source: TarballSource,
    whole: Part,
    *,
    size: int,
    moved: Callable[[int], None],
    missing: Callable[[int], None] = lambda _size: None,
) -> None:
    """Complete *whole*, of *size* bytes, from the members of *source*.

    The tarball lies beside *whole*, so that it can be resumed. *moved*, *missing* and what is
    raised: as in `fetch.fetch`.
    """
    url, auth = split_credentials(source.url)
    item = Item(url=url, size=source.size, sha256=source.sha256, auth=auth)
    path = whole.path.with_name("members.tgz")
    with Part(path) as part:
        await fetch(
            client,
            item,
            part,
            moved=lambda length: moved(size * length // source.size),
            missing=lambda rest: missing(rest + size),
        )
    await anyio.to_thread.run_sync(_join, path, source, whole)
    await anyio.to_thread.run_sync(path.unlink)


def _join(path: Path, source: TarballSource, whole: Part) -> None:
    whole.keep(0)
    with tarfile.open(path) as archive:
        for name in source.members:
            try:
                member = archive.extractfile(name)
            except KeyError:
                member = None
            if member is None:
                raise WrongBytes(f"it does not hold {name}")
            while block := member.read(_BLOCK):
                whole.append(block)
