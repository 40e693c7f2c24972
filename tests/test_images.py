from __future__ import annotations

import base64

import pytest

from chatbots.errors import InvalidRequest
from chatbots.images import MAX_IMAGE, Image

PNG = b"\x89PNG\r\n\x1a\n"


def why_not(make: object) -> str:
    assert callable(make)
    with pytest.raises(InvalidRequest) as raised:
        make()
    assert (raised.value.code, raised.value.param) == ("invalid_request", "images")
    return str(raised.value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG + b"...", "png"),
        (b"\xff\xd8\xff\xe0...", "jpeg"),
        (b"GIF87a...", "gif"),
        (b"GIF89a...", "gif"),
        (b"RIFF\x04\0\0\0WEBPVP8 ...", "webp"),
    ],
)
def test_an_image_is_known_by_its_first_bytes(data: bytes, kind: str) -> None:
    image = Image.of(data, "low")
    head, _, rest = image.url.partition(",")
    assert head == f"data:image/{kind};base64"
    assert base64.b64decode(rest) == data
    assert image.detail == "low"


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"RIFF\x04\0\0\0WAVEfmt ", PNG[:7]])
def test_what_is_no_image_is_refused_with_those_there_are(data: bytes) -> None:
    assert why_not(lambda: Image.of(data)) == (
        "The image cannot be sent: it is none of PNG, JPEG, GIF and WebP."
    )


def test_an_image_may_be_as_large_as_allowed_and_no_larger() -> None:
    largest = PNG + bytes(MAX_IMAGE - len(PNG))
    assert len(Image.of(largest).url) > MAX_IMAGE
    assert why_not(lambda: Image.of(largest + b"x")) == (
        "The image cannot be sent: it has more than 20,971,520 bytes."
    )
    url = "data:image/png;base64," + "A" * (MAX_IMAGE * 4 // 3 + 8)
    assert why_not(lambda: Image(url)) == (
        "The image cannot be sent: it has more than 20,971,520 bytes."
    )


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://localhost/a", "data:image/png;base64,AAAA"]
)
def test_an_image_may_be_where_the_server_finds_it(url: str) -> None:
    assert Image(url) == Image(url, None)


@pytest.mark.parametrize(
    "url", ["", "cat.png", "file:///etc/passwd", "data:text/html,x", "https://\ud800", "ftp://a"]
)
def test_another_place_is_refused(url: str) -> None:
    said = why_not(lambda: Image(url))
    assert said == (
        f"The image cannot be sent: {url!r} is no address of one: https: or data:image/."
    )


def test_an_unknown_detail_is_refused_with_those_there_are() -> None:
    why = why_not(lambda: Image("https://a", "fine"))  # type: ignore[arg-type]  # the mistake
    assert why == "The image cannot be sent: its detail is one of auto, low, high."
