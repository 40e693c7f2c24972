"""The items of a conversation as its host has them: in order, with their audio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from chatbots.realtime.events.items import Item, encoded
from chatbots.realtime.hosting.refusal import Refusal

ROOT: Final = "root"
"""What stands for the front of the conversation."""

AUDIO_KEPT: Final = 16 * 1024 * 1024
"""Bytes of audio of a conversation that can be retrieved; the oldest goes first."""


class Items:
    """Items by id, in order."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._audio: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[Item]:
        return (self._items[name] for name in self._order)

    def get(self, name: str, verb: str = "retrieve") -> Item:
        """Return an item, to *verb* it; raises `Refusal` where there is none."""
        if name not in self._items:
            raise Refusal(
                f"Error {verb[:-1]}ing item: the item with id '{name}' does not exist.",
                f"item_{verb}_invalid_item_id",
            )
        return self._items[name]

    @property
    def last(self) -> str | None:
        """The id of the last item."""
        return self._order[-1] if self._order else None

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Put an item after another, or at the end; return the id of the one before it.

        Raises `Refusal` for an id that is taken, or a place that is not there.
        """
        name = item.id or ""
        if name in self._items:
            raise Refusal(
                f"Error adding item: an item with id '{name}' already exists.",
                "item_create_duplicate_item_id",
            )
        if after is None:
            place = len(self._order)
        elif after == ROOT:
            place = 0
        elif after not in self._items:
            raise Refusal(
                f"Error adding item: the previous item with id '{after}' does not exist.",
                "item_create_invalid_previous_item_id",
            )
        else:
            place = self._order.index(after) + 1
        self._order.insert(place, name)
        self._items[name] = item
        return self._order[place - 1] if place else None

    def renew(self, item: Item) -> str | None:
        """Take in what an item has become; return the id of the one before it.

        Of an item that was deleted meanwhile nothing is kept.
        """
        name = item.id or ""
        if name not in self._items:
            return None
        self._items[name] = item
        place = self._order.index(name)
        return self._order[place - 1] if place else None

    def transcribe(self, name: str, text: str) -> None:
        """Take in what the audio of an item says."""
        if (item := self._items.get(name)) is not None and item.content:
            parts = (replace(item.content[0], transcript=text), *item.content[1:])
            self._items[name] = replace(item, content=parts)

    def delete(self, name: str) -> None:
        """Forget an item; raises `Refusal` where there is none."""
        self.get(name, "delete")
        del self._items[name]
        self._order.remove(name)
        self._audio.pop(name, None)

    def keep(self, name: str, audio: bytes) -> None:
        """Keep the audio of an item, in place of what was kept of it."""
        self._audio.pop(name, None)
        self._audio[name] = audio
        kept = sum(map(len, self._audio.values()))
        while kept > AUDIO_KEPT and len(self._audio) > 1:
            kept -= len(self._audio.pop(next(iter(self._audio))))

    def audio(self, name: str) -> bytes:
        """Return the audio of an item, or nothing."""
        return self._audio.get(name, b"")

    def retrieve(self, name: str) -> Item:
        """Return an item with its audio; raises `Refusal` where there is none."""
        item = self.get(name)
        sound = self.audio(name)
        if not sound:
            return item
        parts = [
            replace(part, audio=encoded(sound)) if (part.type or "").endswith("audio") else part
            for part in item.content or ()
        ]
        return replace(item, content=tuple(parts))


def without_audio(item: Item) -> Item:
    """Return an item as events repeat it."""
    parts = tuple(replace(part, audio=None) for part in item.content or ())
    return item if item.content is None else replace(item, content=parts)
