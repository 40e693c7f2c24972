from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from chatbots.realtime.conversation import MAX_EARLY, UNINTELLIGIBLE, Conversation, Entry
from chatbots.realtime.events.items import (
    MAX_ITEM_ID,
    ContentPart,
    Item,
    function_output,
    system_text,
    user_text,
)
from tests.realtime.said import call, said, user_item


def names(conversation: Conversation) -> list[str | None]:
    return [item.id for item in conversation.context]


@pytest.mark.parametrize("order", [*permutations("abcd")])
def test_items_are_in_order_in_whichever_order_they_come(order: tuple[str, ...]) -> None:
    conversation = Conversation()
    before = dict(zip("bcd", "abc", strict=True)) | {"a": "root"}
    for name in order:
        conversation.add(user_text("", id=name), before[name])
    assert names(conversation) == [*"abcd"]


def test_an_item_goes_to_the_front_to_the_end_or_between() -> None:
    conversation = Conversation()
    for name, previous in (("b", None), ("d", None), ("a", "root"), ("c", "b"), ("x", "unknown")):
        conversation.add(user_text("", id=name), previous)
    assert names(conversation) == [*"abcd", "x"]


def test_what_a_server_calls_at_length_is_told_by_another_name_in_its_place() -> None:
    conversation = Conversation()
    for name, previous in (("a", None), ("b" * 40, None), ("c", "b" * 40), ("d", None)):
        conversation.add(user_text(name[0], id=name), previous)
    told = [created.item for created in conversation.replay()]
    assert [item.text for item in told] == [*"abcd"]
    assert [item.id for item in told] == names(conversation)
    assert max(len(item.id or "") for item in told) <= MAX_ITEM_ID
    conversation.add(told[1], None)
    conversation.add(user_text("x", id="x"), told[1].id)
    assert [item.text for item in conversation.context] == [*"abxcd"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
def test_no_order_of_events_loses_an_item_or_doubles_one(events: list[tuple[str, str]]) -> None:
    conversation = Conversation()
    for name, previous in events:
        conversation.add(user_text("", id=name), previous)
    assert sorted(map(str, names(conversation))) == sorted({name for name, _ in events})


def test_an_item_that_comes_again_is_renewed_and_keeps_its_place_and_words() -> None:
    conversation = Conversation()
    conversation.add(user_item("a"))
    conversation.add(said("Hm.", "b"))
    conversation.transcribe("a", "Hi")
    conversation.add(user_item("a"), "b")
    conversation.add(said("Hm. Hello.", "b"))
    conversation.add(Item(type="message"))
    assert [(entry.item.id, entry.text) for entry in conversation] == [
        ("a", "Hi"),
        ("b", "Hm. Hello."),
    ]


@pytest.mark.checklist(98)
def test_a_transcript_may_come_before_its_item() -> None:
    conversation = Conversation()
    conversation.transcribe("a", "Hi")
    conversation.add(user_item("a"))
    assert conversation.entries["a"].text == "Hi"
    conversation.add(Item(id="b", type="message", role="user"))
    conversation.transcribe("b", "Ho")
    assert conversation.entries["b"].text == "Ho"


def test_transcripts_without_items_do_not_pile_up() -> None:
    conversation = Conversation()
    for number in range(MAX_EARLY + 9):
        conversation.transcribe(f"item_{number}", "Hi")
    conversation.add(user_item(f"item_{MAX_EARLY - 1}"))
    conversation.add(user_item(f"item_{MAX_EARLY}"))
    assert [entry.text for entry in conversation] == ["Hi", ""]


def test_a_deletion_takes_an_item_from_what_the_model_sees_and_not_from_what_was_said() -> None:
    conversation = Conversation()
    conversation.add(user_text("Hi", id="a"))
    conversation.add(said("Hello.", "b"))
    conversation.delete("a")
    conversation.delete("ghost")
    assert names(conversation) == ["b"]
    assert [entry.text for entry in conversation] == ["Hi", "Hello."]
    assert [event.item.id for event in conversation.replay()] == ["b"]


def test_what_was_cut_was_not_said() -> None:
    conversation = Conversation()
    conversation.add(said("123 567890", "a"))
    conversation.entries["a"].heard = 0.3
    assert conversation.entries["a"].text == "123"
    told = conversation.replay()[0].item
    conversation.add(told)
    assert (told.text, conversation.entries["a"].text) == ("123", "123")
    assert conversation.replay()[0].item == told


@pytest.mark.parametrize(
    ("text", "heard", "known"),
    [
        ("Once upon a time", 0.5, "Once "),
        ("Once upon a time", 0.6, "Once upon "),
        ("Once upon a time", 0.99, "Once upon a time"),
        ("Once upon a time", 0.9, "Once upon a "),
        ("Constantinople", 0.9, ""),
        ("昔々ある所に", 0.5, "昔々あ"),
    ],
)
def test_a_word_that_was_not_heard_to_its_end_was_not_said(
    text: str, heard: float, known: str
) -> None:
    entry = Entry(said(text, "a"))
    entry.heard = heard
    assert entry.text == known


def test_another_session_is_told_all_of_it_with_calls_and_their_results() -> None:
    conversation = Conversation()
    image = (ContentPart(type="input_image", image_url="https://example.org/cat.png"),)
    for item in (
        system_text("Be brief.", id="a"),
        user_item("b"),
        user_item("c"),
        Item(id="d", type="message", role="user", content=image, status="completed"),
        said("Let me see.", "e"),
        said("", "f"),
        call("call_1"),
        Item(id="g", type="function_call_output", call_id="call_1", output="42"),
        call("call_2"),
        Item(id="h", type="function_call_output", call_id="call_3", output="43"),
        Item(id="i", type="mcp_list_tools", server_label="x", tools=()),
    ):
        conversation.add(item)
    conversation.transcribe("b", "Hi")
    told = [event.item for event in conversation.replay()]
    made = call("call_1")
    assert told == [
        system_text("Be brief.", id="a"),
        user_text("Hi", id="b"),
        user_text(UNINTELLIGIBLE, id="c"),
        Item(id="d", type="message", role="user", content=image),
        Item(id="e", type="message", role="assistant", content=said("Let me see.").content),
        Item(
            id=made.id,
            type=made.type,
            call_id=made.call_id,
            name=made.name,
            arguments=made.arguments,
        ),
        Item(
            id="g",
            type="function_call_output",
            call_id="call_1",
            output=function_output("", "42").output,
        ),
    ]


def test_a_call_whose_result_is_owed_is_replayed_without_it() -> None:
    conversation = Conversation()
    for name in ("one", "two"):
        conversation.add(Item(id=name, type="function_call", call_id=f"call_{name}"))
    assert [event.item.id for event in conversation.replay({"call_two"})] == ["two"]
    assert conversation.replay() == []
