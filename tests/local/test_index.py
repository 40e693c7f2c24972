from __future__ import annotations

import json

import pytest

from chatbots.local.catalog import Wheel
from chatbots.local.index import (
    Link,
    is_wheel,
    normalized,
    project_page,
    read_page,
    same_origin,
)

PAGE = "https://index.invalid/simple/odd-name/"
WHEEL = Wheel(
    distribution="Odd.Name", version="1.0", size=1, sha256="aa", member="x", member_size=1
)


@pytest.mark.parametrize("name", ["odd-name", "Odd_Name", "odd.name", "ODD--_.name"])
def test_all_spellings_of_a_name_are_one(name: str) -> None:
    assert normalized(name) == "odd-name"


@pytest.mark.parametrize("index", ["https://index.invalid/simple", "https://index.invalid/simple/"])
def test_a_project_has_a_page_below_the_index(index: str) -> None:
    assert project_page(index, "Odd_Name") == PAGE


def test_an_html_page_gives_its_links_with_their_hashes() -> None:
    body = b"""<!DOCTYPE html><html><head><title>Links</title></head><body><a name="x">no</a>
    <a href="../../files/odd_name-1.0-py3-none-any.whl#sha256=aa" data-x="&gt;=3">one</a><br/>
    <a HREF="https://files.invalid/a/odd%2Bname-2.whl#md5=bb">two</a></body>"""
    assert read_page(body, content_type="text/html; charset=utf-8", url=PAGE) == [
        Link(
            "odd_name-1.0-py3-none-any.whl",
            "https://index.invalid/files/odd_name-1.0-py3-none-any.whl",
            "aa",
        ),
        Link("odd+name-2.whl", "https://files.invalid/a/odd%2Bname-2.whl", None),
    ]


def test_an_html_page_may_say_where_its_links_start() -> None:
    body = b'<base href="https://files.invalid/"><a href="a.whl">a</a>'
    [link] = read_page(body, content_type="text/html", url=PAGE)
    assert link == Link("a.whl", "https://files.invalid/a.whl", None)


def test_a_json_page_gives_its_links_with_their_hashes() -> None:
    files = [
        {"filename": "a.whl", "url": "../a.whl", "hashes": {"sha256": "aa"}, "yanked": False},
        {"filename": "b.whl", "url": "https://files.invalid/b.whl"},
    ]
    body = json.dumps({"meta": {"api-version": "1.0"}, "name": "odd", "files": files}).encode()
    kind = "application/vnd.pypi.simple.v1+json"
    assert read_page(body, content_type=kind, url=PAGE) == [
        Link("a.whl", "https://index.invalid/simple/a.whl", "aa"),
        Link("b.whl", "https://files.invalid/b.whl", None),
    ]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"files": [{"url": 1}]}'])
def test_a_json_page_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_page(body, content_type="application/json", url=PAGE)


@pytest.mark.parametrize(
    ("filename", "right"),
    [
        ("odd_name-1.0-py3-none-any.whl", True),
        ("Odd.Name-1.0-7-py3-none-any.whl", True),
        ("odd_name-1.0.1-py3-none-any.whl", False),
        ("odd_name_too-1.0-py3-none-any.whl", False),
        ("odd_name-1.0-py3-none-any.zip", False),
        ("odd_name-1.0.tar.gz", False),
        ("whl", False),
    ],
)
def test_a_wheel_is_known_by_its_file_name(filename: str, right: bool) -> None:
    assert is_wheel(filename, WHEEL) is right


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://index.invalid/other/path", True),
        ("http://index.invalid/simple", False),
        ("https://index.invalid:8443/simple", False),
        ("https://files.invalid/simple", False),
    ],
)
def test_an_origin_is_a_scheme_a_host_and_a_port(other: str, same: bool) -> None:
    assert same_origin(PAGE, other) is same
