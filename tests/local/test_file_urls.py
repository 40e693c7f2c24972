from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from chatbots.local.file_urls import FileTransport


@asynccontextmanager
async def client() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(mounts={"file://": FileTransport()}) as made:
        yield made


def at(path: Path) -> str:
    return path.as_uri().replace("file://", "file://this-machine", 1)


async def test_a_file_is_answered_with_its_bytes_and_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    path.write_bytes(b"x" * 2_500_000)
    async with client() as http:
        response = await http.get(at(path))
    assert response.status_code == 200
    assert response.headers["content-length"] == "2500000"
    assert response.content == path.read_bytes()


async def test_the_rest_of_a_file_is_answered_for_a_range(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    async with client() as http:
        response = await http.get(at(path), headers={"range": "bytes=4-"})
    assert response.status_code == 206
    assert response.headers["content-range"] == "bytes 4-9/10"
    assert response.content == b"456789"


async def test_a_range_past_the_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    async with client() as http:
        assert (await http.get(at(path), headers={"range": "bytes=10-"})).status_code == 416


async def test_a_folder_is_answered_with_its_index_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>hello</p>")
    async with client() as http:
        response = await http.get(at(tmp_path) + "/")
    assert response.text == "<p>hello</p>"
    assert response.headers["content-type"] == "text/html"


async def test_a_folder_without_one_is_answered_with_links_to_its_files(tmp_path: Path) -> None:
    (tmp_path / "b & c.whl").touch()
    (tmp_path / "a.whl").touch()
    async with client() as http:
        response = await http.get(at(tmp_path))
    assert '<a href="a.whl">a.whl</a><a href="b%20%26%20c.whl">b &amp; c.whl</a>' in response.text


async def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with client() as http:
        assert (await http.get(at(tmp_path / "none"))).status_code == 404
