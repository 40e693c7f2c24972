"""What the headers of a request say of who it is."""

from __future__ import annotations

import pytest

from chatbots.errors import AccessDenied
from chatbots.server.credentials import Shown, shown_in


@pytest.mark.parametrize(
    ("headers", "token", "subprotocol"),
    [
        ({}, None, None),
        ({"authorization": ["Bearer cb_1_x"]}, "cb_1_x", None),
        ({"authorization": ["bearer   cb_1_x "]}, "cb_1_x", None),
        ({"authorization": ["Basic cb_1_x"]}, None, None),
        ({"authorization": ["Bearer"]}, "", None),
        ({"sec-websocket-protocol": ["chatbots, bearer.cb_1_x"]}, "cb_1_x", "chatbots"),
        ({"sec-websocket-protocol": ["bearer.cb_1_x", "chatbots"]}, "cb_1_x", "chatbots"),
        ({"sec-websocket-protocol": ["bearer.cb_1_x"]}, "cb_1_x", None),
        ({"sec-websocket-protocol": ["graphql-ws,Chatbots"]}, None, None),
        ({"authorization": ["Bearer one"], "sec-websocket-protocol": ["bearer.two"]}, "one", None),
    ],
)
def test_a_token_is_in_a_header_or_among_the_subprotocols(
    headers: dict[str, list[str]], token: str | None, subprotocol: str | None
) -> None:
    shown = shown_in(headers)
    assert (shown.token, shown.subprotocol) == (token, subprotocol)


def test_where_from_and_where_to() -> None:
    headers = {"host": [" localhost "], "origin": ["http://localhost"]}
    assert shown_in(headers) == Shown("localhost", "http://localhost", None, None)


@pytest.mark.parametrize("name", ["host", "origin", "authorization"])
def test_what_decides_may_not_come_twice(name: str) -> None:
    with pytest.raises(AccessDenied, match=f"2 headers {name.title()}") as caught:
        shown_in({name: ["a", "a"]})
    assert caught.value.code == "unauthorized"
