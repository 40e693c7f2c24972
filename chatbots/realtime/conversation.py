"""The conversation as the server has it, and as it was: its items, in order."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Final

from msgspec.structs import replace

from chatbots.joined import Joined
from chatbots.realtime.events.client import ConversationItemCreate
from chatbots.realtime.events.items import (
    MAX_ITEM_ID,
    ContentPart,
    Item,
    assistant_text,
    generate_id,
    system_text,
    user_text,
)

UNINTELLIGIBLE: Final = "[unintelligible]"
"""What stands for a user's words that could not be written down."""

MAX_EARLY: Final = 64
"""Transcripts that are kept until their item comes."""


class Entry:
    """An item and what became of it; audio is counted in bytes and not kept."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.words = Joined()
        """What it says, piece by piece."""
        self.audio = 0
        self.content_index = 0
        """The part of it that sounds."""
        self.played: int | None = None
        """How many ms its hearer has heard, as far as anybody says so."""
        self.heard = 1.0
        """Which share of it was heard when it was cut."""
        self.deleted = False

    @property
    def text(self) -> str:
        """What was said in it, up to where it was cut: the item knows best, if it is whole.

        That is as much of its text as of its sound, without a last word that is not whole.
        """
        text = self.item.text or self.words.text
        end = round(len(text) * self.heard)
        while 0 < end < len(text) and not _ends_word(text[end - 1], text[end]):
            end -= 1
        return text[:end]


class Conversation:
    """The items of a conversation. A deletion takes one from what the model sees, no more."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._before: dict[str, str | None] = {}
        self._after: dict[str | None, list[str]] = {}
        self._early: dict[str, str] = {}

    def add(self, item: Item, previous: str | None = None) -> None:
        """Put an item after *previous*, which may come later; one that is known is renewed."""
        if not item.id:
            return
        if (known := self.entries.get(item.id)) is not None:
            known.item = _renewed(known.item, item)
            return
        if previous is not None and self._comes_after(item.id, previous):
            previous = None
        self.entries[item.id] = Entry(item)
        self._before[item.id] = previous
        self._after.setdefault(previous, []).append(item.id)
        if (transcript := self._early.pop(item.id, None)) is not None:
            self.transcribe(item.id, transcript)

    def _comes_after(self, name: str, other: str | None) -> bool:
        """Tell whether *other* has been put after *name*, which may be yet to come."""
        if name not in self._after:
            return name == other
        while other is not None and other != name:
            other = self._before.get(other)
        return other is not None

    def transcribe(self, name: str, text: str) -> None:
        """Take in what the user said in an item, which may not be there yet."""
        if (entry := self.entries.get(name)) is None:
            if len(self._early) < MAX_EARLY:
                self._early[name] = text
            return
        parts = entry.item.content or (ContentPart(type="input_audio"),)
        entry.item = replace(entry.item, content=(replace(parts[0], transcript=text), *parts[1:]))

    def delete(self, name: str) -> None:
        """Take an item from what the model sees."""
        if (entry := self.entries.get(name)) is not None:
            entry.deleted = True

    def __iter__(self) -> Iterator[Entry]:
        """Yield all that was said, in order: what the model does not see any more, too."""
        placed = self.entries.keys() | {"root"}
        ends = [name for name, before in self._before.items() if before not in placed]
        # The last that was put after an item is the next to it.
        following = [*reversed(ends), *self._after.get("root", ())]
        while following:
            name = following.pop()
            yield self.entries[name]
            following += self._after.get(name, ())

    @property
    def context(self) -> tuple[Item, ...]:
        """What the model sees."""
        return tuple(entry.item for entry in self if not entry.deleted)

    def replay(self, owed: Container[str | None] = ()) -> list[ConversationItemCreate]:
        """Return what tells another session all that this model sees, calls and results too.

        A call without its result is left out, unless it is *owed*, and a result without its call.
        From now on an item is what was told of it: without its audio, and what was cut is gone.
        """
        self._shorten()
        seen = [entry for entry in self if not entry.deleted]
        calls, results = (
            {entry.item.call_id for entry in seen if entry.item.type == kind}
            for kind in ("function_call", "function_call_output")
        )
        answered = {call for call in calls if call in results or call in owed}
        told: list[ConversationItemCreate] = []
        for entry in seen:
            if (item := _retold(entry, answered)) is not None:
                entry.item, entry.heard = item, 1.0
                told.append(ConversationItemCreate(item))
        return told

    def _shorten(self) -> None:
        """Give items ids that a client may tell; a server may call them otherwise."""
        long = [name for name in self.entries if len(name) > MAX_ITEM_ID]
        ids = {name: generate_id("item_", 21) for name in long}

        def new(name: str) -> str:
            return ids.get(name, name)

        self.entries = {new(name): entry for name, entry in self.entries.items()}
        self._before = {new(n): b and new(b) for n, b in self._before.items()}
        self._after = {b and new(b): [*map(new, names)] for b, names in self._after.items()}
        for name in ids.values():
            self.entries[name].item = replace(self.entries[name].item, id=name)


def _ends_word(last: str, next_: str) -> bool:
    # From U+2E80 on are the scripts of East Asia, which have no spaces between words.
    return last.isspace() or next_.isspace() or last >= "\u2e80"


def _retold(entry: Entry, answered: set[str | None]) -> Item | None:
    item = replace(entry.item, object=None, status=None)
    if item.type in ("function_call", "function_call_output"):
        return item if item.call_id in answered else None
    match item.role:
        case "user" if all(part.type != "input_audio" for part in item.content or ()):
            return item
        case "user":
            return user_text(entry.text or UNINTELLIGIBLE, id=item.id)
        case "system":
            return system_text(entry.text, id=item.id)
        case "assistant" if entry.text:
            return assistant_text(entry.text, id=item.id)
        case _:
            return None


def _renewed(old: Item, new: Item) -> Item:
    """Return *new*, with the words of *old* where it has none: a transcript may come first."""
    return new if new.text or not old.text else replace(new, content=old.content)
