from __future__ import annotations

import errno
import hashlib
import threading
import time
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute

from chatbots.local import fetch as module
from chatbots.local.fetch import (
    Item,
    SourceFailed,
    WrongBytes,
    fetch,
    is_full,
    new_client,
    read_page,
    split_credentials,
)
from chatbots.local.part import Part
from tests.local.serving import Site, serving
from tests.local.weights_of import made_up

DATA = made_up(3_000_000)


def item(url: str, data: bytes = DATA, **more: object) -> Item:
    sha256 = hashlib.sha256(data).hexdigest()
    return Item(url=url, size=len(data), sha256=sha256, **more)  # type: ignore[arg-type]  # auth


async def get(site: Site, folder: Path, wanted: Item | None = None) -> list[int]:
    moves: list[int] = []
    async with new_client() as client:
        with Part(folder / "part") as part:
            await fetch(client, wanted or item(site.url + "/file"), part, moved=moves.append)
            assert part.size_on_disk == part.length
    return moves


def there(folder: Path) -> bytes:
    return (folder / "part").read_bytes()


def site_with(folder: Path, data: bytes = DATA) -> Path:
    site = folder / "site"
    site.mkdir()
    (site / "file").write_bytes(data)
    return site


async def test_a_file_is_fetched_and_its_growth_is_told(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        moves = await get(site, tmp_path)
    assert there(tmp_path) == DATA
    assert moves[0] == 0
    assert moves == sorted(moves)
    assert moves[-1] == len(DATA)
    assert len(site.asked) == 1


async def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        site.cut = 1_234_567
        await get(site, tmp_path)
    assert there(tmp_path) == DATA
    assert [span for _, span, _ in site.asked] == [None, "bytes=1234567-"]


async def test_a_network_that_is_away_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    with serving(site_with(tmp_path)) as site:
        site.cut, site.drops = 1_500_000, [False, True, True]
        await get(site, tmp_path)
    assert there(tmp_path) == DATA
    assert len(site.asked) == 4


async def test_a_network_that_stays_away_is_given_up_and_what_came_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    with serving(site_with(tmp_path)) as site:
        site.cut, site.drops = 1_500_000, [False, *[True] * 10]
        with pytest.raises(SourceFailed, match=r"\(1,500,000 of 3,000,000 bytes are here\)"):
            await get(site, tmp_path)
    assert there(tmp_path) == DATA[:1_500_000]
    assert len(site.asked) == 2 + module.RETRIES


async def test_a_server_that_hangs_up_at_once_is_not_asked_again(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        site.drops = [True] * 10
        with pytest.raises(SourceFailed):
            await get(site, tmp_path)
    assert len(site.asked) == 1


async def test_what_an_earlier_process_left_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:2_000_000])
    with serving(site_with(tmp_path)) as site:
        moves = await get(site, tmp_path)
    assert there(tmp_path) == DATA
    assert moves[0] == 2_000_000
    assert [span for _, span, _ in site.asked] == ["bytes=2000000-"]


async def test_a_file_that_is_complete_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA)
    with serving(site_with(tmp_path)) as site:
        assert await get(site, tmp_path) == [len(DATA)]
    assert site.asked == []


async def test_a_server_that_knows_no_ranges_sends_it_all_again(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:1_000_000])
    with serving(site_with(tmp_path)) as site:
        site.ranges = False
        await get(site, tmp_path)
    assert there(tmp_path) == DATA


@pytest.mark.parametrize("left", [b"<html>log in</html>", DATA + b"more", bytes(len(DATA))])
async def test_a_wrong_remainder_is_thrown_away_and_not_blamed_on_the_server(
    tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "part").write_bytes(left)
    with serving(site_with(tmp_path)) as site:
        await get(site, tmp_path)
    assert there(tmp_path) == DATA


async def test_a_wrong_file_is_told_with_its_hash_and_thrown_away(tmp_path: Path) -> None:
    other = bytes(len(DATA))
    found = hashlib.sha256(other).hexdigest()
    with serving(site_with(tmp_path, other)) as site, pytest.raises(WrongBytes, match=found):
        await get(site, tmp_path)
    assert there(tmp_path) == b""


async def test_a_file_that_does_not_end_is_cut_off(tmp_path: Path) -> None:
    with serving(site_with(tmp_path, DATA + bytes(2_000_000))) as site:
        site.length = False
        with pytest.raises(WrongBytes, match="longer than 3000000"):
            await get(site, tmp_path)
    assert there(tmp_path) == b""


async def test_a_page_in_place_of_the_file_is_not_stored(tmp_path: Path) -> None:
    site_with(tmp_path, b"<html>Please log in</html>")
    said = "offers 26 bytes, not 3000000"
    with serving(tmp_path / "site") as site, pytest.raises(SourceFailed, match=said):
        await get(site, tmp_path)
    assert there(tmp_path) == b""


async def test_an_answer_that_ends_early_leaves_what_came(tmp_path: Path) -> None:
    with serving(site_with(tmp_path, DATA[:1_000_000])) as site:
        site.length = False
        with pytest.raises(SourceFailed, match="another length"):
            await get(site, tmp_path)
    assert there(tmp_path) == DATA[:1_000_000]


async def test_an_empty_answer_is_not_asked_for_over_and_over(tmp_path: Path) -> None:
    with serving(site_with(tmp_path, b"")) as site:
        site.length = False
        with pytest.raises(SourceFailed, match="ended early"):
            await get(site, tmp_path)
    assert len(site.asked) == 1


@pytest.mark.parametrize("status", [401, 404, 500, 503])
async def test_a_server_that_refuses_is_told_with_its_status(tmp_path: Path, status: int) -> None:
    with serving(site_with(tmp_path)) as site:
        site.status = status
        with pytest.raises(SourceFailed, match=str(status)):
            await get(site, tmp_path)


async def test_another_piece_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:1_000_000])
    with serving(site_with(tmp_path)) as site:
        site.headers["content-range"] = "bytes 999999-2999999/3000000"
        with pytest.raises(SourceFailed, match="another length"):
            await get(site, tmp_path)
    assert there(tmp_path) == DATA[:1_000_000]


async def test_an_encoding_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        site.headers["content-encoding"] = "gzip"
        with pytest.raises(SourceFailed, match="encoding"):
            await get(site, tmp_path)


async def test_a_redirect_is_followed_and_keeps_its_range(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:1_000_000])
    with serving(site_with(tmp_path)) as site:
        site.redirects["/moved"] = site.url + "/file"
        await get(site, tmp_path, item(site.url + "/moved"))
    assert there(tmp_path) == DATA
    assert site.asked[-1][:2] == ("/file", "bytes=1000000-")


async def test_a_host_that_does_not_exist_fails_within_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    with serving(tmp_path) as site, pytest.raises(SourceFailed, match="cannot be reached"):
        await get(site, tmp_path, item("http://nowhere.invalid/file"))
    assert time.monotonic() - began < 30


async def test_a_server_that_accepts_and_says_nothing_fails_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 (anyio's, no database)
        began = time.monotonic()
        with serving(tmp_path) as site, pytest.raises(SourceFailed, match="stopped answering"):
            await get(site, tmp_path, item(f"http://127.0.0.1:{port}/file"))
        assert time.monotonic() - began < 30


async def test_a_server_that_falls_silent_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.2)
    with serving(site_with(tmp_path)) as site:
        site.cut, site.stall = 1_500_000, threading.Event()
        await get(site, tmp_path)
    assert there(tmp_path) == DATA
    assert len(site.asked) >= 2


async def test_cancelling_keeps_what_came_for_the_next_time(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        site.cut, site.stall = 2_500_000, threading.Event()
        with anyio.move_on_after(30) as scope, Part(tmp_path / "part") as part:
            async with new_client() as client:

                def stop(length: int) -> None:
                    if length:
                        scope.cancel()

                await fetch(client, item(site.url + "/file"), part, moved=stop)
        assert scope.cancelled_caught
        kept = len(there(tmp_path))
        assert 1_000_000 <= kept <= 2_500_000
        site.stall.set()
        moves = await get(site, tmp_path)
    assert moves[0] == kept
    assert there(tmp_path) == DATA


async def test_the_credentials_are_sent_and_never_told(tmp_path: Path) -> None:
    with serving(site_with(tmp_path)) as site:
        site.login = ("ada", "s3cret")
        url, auth = split_credentials(site.url.replace("//", "//ada:s3cret@") + "/file")
        assert auth == ("ada", "s3cret")
        await get(site, tmp_path, item(url, auth=auth))
        assert there(tmp_path) == DATA
        site.login = ("ada", "changed")
        (tmp_path / "part").unlink()
        with pytest.raises(SourceFailed) as caught:
            await get(site, tmp_path, item(url, auth=auth))
        assert "s3cret" not in str(caught.value)


def test_an_address_without_credentials_stays_as_it_is() -> None:
    url = "https://index.invalid/simple?a=b"
    assert split_credentials(url) == (url, None)
    assert split_credentials("https://a:b%40c@index.invalid/x") == (
        "https://index.invalid/x",
        ("a", "b@c"),
    )
    assert split_credentials("file:///some/folder")[0] == "file://this-machine/some/folder"


@pytest.mark.parametrize("url", ["", "index", "ftp://x/y", "http://", "https://x:y/"])
def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SourceFailed, match="its address"):
        split_credentials(url)


async def test_a_page_is_read_with_its_type(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("hello")
    with serving(tmp_path) as site:
        site.content_type = "application/json"
        async with new_client() as client:
            body, kind = await read_page(client, site.url + "/page", accept="*/*", auth=None)
    assert (body, kind) == (b"hello", "application/json")


async def test_a_page_that_is_not_there_is_told_with_its_path_only(tmp_path: Path) -> None:
    with serving(tmp_path) as site:
        async with new_client() as client:
            with pytest.raises(SourceFailed, match="404 for /none"):
                await read_page(client, site.url + "/none", accept="*/*", auth=("ada", "s3cret"))
            with pytest.raises(SourceFailed, match="cannot be reached"):
                await read_page(client, "http://nowhere.invalid/", accept="*/*", auth=None)


async def test_a_proxy_of_the_users_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(site_with(tmp_path)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        proxy.redirects["http://elsewhere.invalid/file"] = proxy.url + "/file"
        await get(proxy, tmp_path, item("http://elsewhere.invalid/file"))
    assert proxy.asked[0][0] == "http://elsewhere.invalid/file"


async def test_certificate_settings_that_cannot_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(bad))
    with pytest.raises(SourceFailed, match="certificate settings"):
        new_client()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx2.ConnectTimeout(""), "no connection within 3 s"),
        (httpx2.ReadTimeout(""), "stopped answering"),
        (TimeoutError(), "stopped answering"),
        (httpx2.RemoteProtocolError("peer closed"), "peer closed"),
        (httpx2.ReadError(""), "ReadError"),
    ],
)
def test_reasons_are_words(error: Exception, said: str) -> None:
    assert said in module._reason(error)


def test_a_full_disk_is_told_apart_from_other_trouble() -> None:
    assert is_full(OSError(errno.ENOSPC, "x"))
    assert is_full(OSError(errno.EDQUOT, "x"))
    assert not is_full(PermissionError(errno.EACCES, "x"))
