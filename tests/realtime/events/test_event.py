from __future__ import annotations

import msgspec
import pytest

from chatbots.realtime.events.client import ResponseCancel, ResponseCreate
from chatbots.realtime.events.event import ClientEvent, Event, ServerEvent
from chatbots.realtime.events.server import SessionCreated


def test_an_event_has_its_name_on_the_wire_as_its_type() -> None:
    assert ResponseCancel().type == "response.cancel"


def test_an_event_is_the_clients_or_the_servers() -> None:
    assert issubclass(ResponseCreate, ClientEvent)
    assert issubclass(SessionCreated, ServerEvent)
    assert issubclass(ClientEvent, Event)
    assert not issubclass(SessionCreated, ClientEvent)


def test_an_event_has_an_id_where_its_sender_gave_it_one() -> None:
    assert msgspec.json.encode(ResponseCancel()) == b'{"type":"response.cancel"}'
    assert b'"event_id":"event_1"' in msgspec.json.encode(ResponseCancel(event_id="event_1"))


def test_an_event_is_a_value() -> None:
    event = ResponseCancel("resp_1")
    assert event == ResponseCancel(response_id="resp_1")
    with pytest.raises(AttributeError):
        event.response_id = "resp_2"  # type: ignore[misc]  # that it cannot be is the test
