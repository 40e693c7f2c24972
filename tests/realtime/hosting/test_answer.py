from __future__ import annotations

from chatbots.realtime.events.responses import ResponseFailure, ResponseUsage
from chatbots.realtime.events.server import RateLimit
from tests.realtime.hosting.client import Client


def test_a_text_is_told_in_the_order_of_openai() -> None:
    client = Client(limits=(RateLimit("tokens", 9, 8, 1.0),))
    client.texts()
    client.says("Hello")
    answer = client.asks(metadata={"topic": "any"})
    assert [item.text for item in answer.context] == ["Hello"]
    answer.say("Hi ")
    answer.say("")
    answer.say("there")
    answer.sound(b"..")
    answer.end(usage=ResponseUsage(5, 2, 3))
    told = client.told[2:]
    assert [event["type"] for event in told] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    response = told[-2]["response"]
    assert response["status"] == response["output"][0]["status"] == "completed"
    assert "status_details" not in response
    assert response["usage"]["total_tokens"] == 5
    assert response["metadata"] == {"topic": "any"}
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "Hi there"}]
    assert told[4]["output_index"] == told[4]["content_index"] == 0
    assert {event["item_id"] for event in told[3:8]} == {told[1]["item"]["id"]}
    assert told[2]["previous_item_id"]


def test_audio_is_told_with_what_it_says_and_can_be_retrieved() -> None:
    client = Client()
    answer = client.asks()
    answer.say("Hi")
    answer.sound(bytes(48))
    answer.end()
    told = client.told
    assert [event["type"] for event in told[4:]] == [
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    item = told[-1]["response"]["output"][0]
    assert item["content"] == [{"type": "output_audio", "transcript": "Hi"}]
    client.send("conversation.item.retrieve", item_id=item["id"])
    (event,) = client.told
    assert event["item"]["content"][0]["audio"] == "AAAA" * 16


def test_a_call_closes_the_message_before_it() -> None:
    client = Client()
    client.texts()
    answer = client.asks()
    answer.say("Well")
    answer.call("multiply", '{"a":', "6}")
    answer.end()
    told = client.told
    kinds = [event["type"].removeprefix("response.") for event in told]
    assert kinds[5:15] == [
        "output_text.done",
        "content_part.done",
        "conversation.item.done",
        "output_item.done",
        "output_item.added",
        "conversation.item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "conversation.item.done",
    ]
    assert told[13]["arguments"] == '{"a":6}'
    assert told[13]["output_index"] == 1
    assert told[13]["call_id"] == told[-1]["response"]["output"][1]["call_id"]


def test_what_is_beside_the_conversation_leaves_no_item() -> None:
    client = Client()
    answer = client.asks(conversation="none", output_modalities=["text"])
    answer.say("Hi")
    answer.end()
    told = client.told
    assert not [event for event in told if event["type"].startswith("conversation.")]
    assert "conversation_id" not in told[-1]["response"]
    assert list(client.host.items) == []
    assert answer.aside
    heard = client.asks(conversation="none", output_modalities=["audio"])
    heard.sound(b"..")
    heard.end()
    assert client.types[-1] == "response.done"


def test_an_answer_that_is_over_takes_no_more() -> None:
    client = Client()
    answer = client.asks()
    answer.say("Hi")
    answer.end("cancelled", "client_cancelled")
    told = client.told
    assert told[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    assert told[-1]["response"]["output"][0]["status"] == "incomplete"
    answer.say("more")
    answer.sound(b"..")
    answer.call("multiply", "{}")
    answer.end()
    assert client.told == []
    assert answer.over


def test_a_failure_says_why() -> None:
    client = Client()
    client.asks().end("failed", error=ResponseFailure("server_error", "any", "Sorry."))
    details = client.told[-1]["response"]["status_details"]
    assert details == {
        "type": "failed",
        "error": {"type": "server_error", "code": "any", "message": "Sorry."},
    }


def test_the_beta_dialect_hears_its_own_words() -> None:
    client = Client("beta")
    answer = client.asks(modalities=["text"])
    answer.say("Hi")
    answer.end()
    told = client.told
    assert [event["type"] for event in told[2:]] == [
        "conversation.item.created",
        "response.content_part.added",
        "response.text.delta",
        "response.text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert told[-1]["response"]["output"][0]["content"][0]["type"] == "text"
