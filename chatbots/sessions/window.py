"""How much of the past the model sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from chatbots.messages import Message, Turn
from chatbots.sessions.tokens import Calibration, Count, estimate, most, tokens_of
from chatbots.sessions.turn import FINAL, SPOKEN_INTO

Why: TypeAlias = Literal["no_answer", "no_room", "older", "summed_up"]
"""Why a turn is left out: nothing came of it; the model cannot read so much; it is older than the
last so many; a summary stands for it."""

ASSUMED: Final = 128_000
"""Tokens a model is taken to read as long as nobody has said how many."""

MARGIN: Final = 0.9
"""Of what a model reads: estimates are not exact."""

ANSWER_SHARE: Final = 4
"""An answer that nobody bounds gets a quarter of what the model reads, `MOST_FOR_ANSWER` at most;
one that is bounded gets its bound, half of what the model reads at most."""

MOST_FOR_ANSWER: Final = 16_384

CANCELLED: Final = '{"error":"cancelled: it may or may not have been done"}'
"""The result of a call that has none."""

CRASHED: Final = '{"error":"crashed: it may or may not have been done; it was not run again"}'
"""The result of a call that was under way when the process died."""

NOTHING_HEARD: Final = "..."
"""The answer into which the user spoke before anything of it was heard."""

ASK_FOR_SUMMARY: Final = "Sum up our conversation so far."
"""What the user seems to have asked, where a summary is the answer."""

_NUMBER: Final = re.compile(r"(?<![\w-])(?:\d{4,}|\d{1,3}(?:,\d{3})+)(?![\w-])")


def _unknown(_model: str | None) -> None:
    """Know of no model how many tokens it reads."""


class Window(Struct, frozen=True, kw_only=True):
    """How much of the past a bot shows its model.

    `context` tells how many tokens a model reads, as far as that is known; None is the model that
    the bot asks by default. `answer` is how many its answers may have, if that is bounded.
    `last` is how many turns are shown at most, beside those that are pinned.
    `sums_up`: the model is asked to sum up what no longer fits.
    `count` counts tokens; `calibration` is what servers have said of such counts.
    """

    context: Callable[[str | None], int | None] = _unknown
    answer: int | None = None
    last: int | None = None
    sums_up: bool = False
    count: Count = estimate
    calibration: Calibration = field(default_factory=Calibration)


class LeftOut(Struct, frozen=True):
    """Turns of a session that the model does not see, from the `first` to the `last`."""

    first: int
    last: int
    why: Why


class Past(Struct, frozen=True, kw_only=True):
    """What the model sees of a session: `turns`, after a `summary` of what was before.

    `messages` are all that a request carries of them. `tokens` is their estimate; None where
    all of it fits without any doubt.
    """

    messages: tuple[Message, ...] = ()
    summary: tuple[Message, ...] = ()
    turns: tuple[Turn, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tokens: int | None = None

    @property
    def overflows(self) -> bool:
        """Whether turns are left out that no summary stands for."""
        return any(gap.why in ("no_room", "older") for gap in self.left_out)

    @property
    def without_room(self) -> int:
        """How many turns are left out because the model cannot read so much."""
        return sum([gap.last - gap.first + 1 for gap in self.left_out if gap.why == "no_room"])


def visible(turns: Iterable[Turn]) -> list[Message]:
    """Return the messages of the past *turns* that the next request carries, oldest first.

    A turn that has ended with text is carried, whole or partial, so that the model knows what was
    shown, and so is one in which a tool was called. A turn nothing came of is not: two questions in
    a row are refused by some chat templates, and a failure must not poison what follows.
    Who spoke on, before any of the answer was heard, was not done: what was said is carried.
    """
    return [message for turn in turns for message in _seen(turn)]


def _seen(turn: Turn) -> Sequence[Message]:
    if turn.state not in FINAL:
        return ()
    if [m for m in turn.answer if m.role == "assistant" and (m.content or m.tool_calls)]:
        said = (*turn.said, *turn.answer)
        if not [m for m in said if m.tool_calls or m.role == "tool" or not m.content]:
            return said  # as most are
        return tuple(_paired(said, CRASHED if turn.reason == "crashed" else CANCELLED))
    if turn.reason == SPOKEN_INTO:
        return (*turn.said, Message("assistant", NOTHING_HEARD))
    return ()


def _paired(messages: Sequence[Message], unknown: str) -> Iterator[Message]:
    """Yield *messages* with one result after each call of a tool, in order: servers insist on it.

    A result without its call is left out, and so is a message that says nothing.
    A call without its result gets *unknown*.
    """
    for number, message in enumerate(messages, 1):
        if message.role == "tool" or not (message.content or message.images or message.tool_calls):
            continue
        yield message
        if message.tool_calls:
            after = takewhile(lambda m: m.role == "tool", messages[number:])
            results = {result.tool_call_id: result for result in after}
            for call in message.tool_calls:
                yield results.get(call.id) or Message("tool", unknown, tool_call_id=call.id)


def room_for_answer(context: int, bound: int | None) -> int:
    """Return how many of *context* tokens are kept for an answer of at most *bound*."""
    if bound is None:
        return min(context // ANSWER_SHARE, MOST_FOR_ANSWER)
    return min(bound, context // 2)


def fit(
    turns: Sequence[Turn],
    room: float,
    *,
    last: int | None = None,
    sums_up: bool = False,
    count: Count = estimate,
) -> Past:
    """Return what of a session's past fits into *room* tokens, by *count*; a turn whole or not.

    *turns* are the newest, oldest first, and before them those that are pinned or have a summary.
    First come those that are pinned, the newest first; then, if *sums_up*, the newest summary;
    then the newest turns without a gap, *last* of them at most.
    """
    shown = {turn.seq: _seen(turn) for turn in turns}
    told = next((turn for turn in reversed(turns) if sums_up and turn.summary), None)
    summary, after = (_told(told), told.seq) if told else ((), 0)
    pinned = [turn.seq for turn in reversed(turns) if turn.pinned and shown[turn.seq]]
    newest = [seq for seq in _unbroken(turns) if shown[seq]][:last]
    rest = [seq for seq in newest if seq > after and seq not in pinned]
    kept, used = {*pinned, *rest}, None
    if tokens_of([*summary, *[m for seq in kept for m in shown[seq]]], most) > room:
        kept, used = _taken(((s, shown[s]) for s in pinned), 0, room, count, optional=True)
        if used + (size := tokens_of(summary, count)) > room:
            summary, size, after = (), 0, 0
        more, used = _taken(((s, shown[s]) for s in rest), used + size, room, count)
        kept |= more

    def why(seq: int) -> Why:
        if not shown.get(seq, True):
            return "no_answer"
        if seq <= after and seq not in pinned:
            return "summed_up"
        too_old = len(newest) == last and seq < newest[-1] and seq not in pinned
        return "older" if too_old else "no_room"

    carried = tuple([turn for turn in turns if turn.seq in kept])
    said = (*summary, *[message for turn in carried for message in shown[turn.seq]])
    gaps = _gaps(turns, kept, why)
    return Past(messages=said, summary=summary, turns=carried, left_out=gaps, tokens=used)


def _taken(
    said: Iterable[tuple[int, Sequence[Message]]],
    used: int,
    room: float,
    count: Count,
    *,
    optional: bool = False,
) -> tuple[set[int], int]:
    """Return which turns fit, and all that is then used; nothing after a gap if not *optional*."""
    kept: set[int] = set()
    for seq, messages in said:
        if used + (size := tokens_of(messages, count)) <= room:
            kept.add(seq)
            used += size
        elif not optional:
            break
    return kept, used


def wants_more(turns: Sequence[Turn], past: Past) -> bool:
    """Tell whether turns older than the newest of *turns* might be shown, if they were loaded."""
    oldest = min(_unbroken(turns), default=1)
    return oldest > 1 and all(gap.last < oldest or gap.why == "no_answer" for gap in past.left_out)


def sizes_in(refusal: str) -> tuple[int, int] | None:
    """Return how many tokens the model reads and how many it was given, by what the server said.

    Servers say so in the two largest numbers of their refusal, if they say it at all.
    """
    numbers = sorted({int(number.replace(",", "")) for number in _NUMBER.findall(refusal)})
    return (numbers[-2], numbers[-1]) if len(numbers) > 1 else None


def _told(turn: Turn) -> tuple[Message, ...]:
    # A question and an answer: any chat template takes that, and nothing in it gives orders.
    return Message("user", ASK_FOR_SUMMARY), Message("assistant", turn.summary or "")


def _unbroken(turns: Sequence[Turn]) -> list[int]:
    """Return the numbers of the newest turns, newest first, as far as none is missing."""
    numbers = [turn.seq for turn in reversed(turns)]
    return [seq for place, seq in enumerate(numbers) if seq == numbers[0] - place]


def _gaps(turns: Sequence[Turn], kept: set[int], why: Callable[[int], Why]) -> tuple[LeftOut, ...]:
    """Return what lies before and between the turns that are *kept*, and *why*."""
    gaps: list[LeftOut] = []
    before = 0
    for turn in turns:
        unseen = [(before + 1, turn.seq - 1)] if turn.seq > before + 1 else []
        if turn.seq not in kept:
            unseen.append((turn.seq, turn.seq))
        for first, last in unseen:
            reason = why(last)
            if gaps and gaps[-1].why == reason and gaps[-1].last == first - 1:
                first = gaps.pop().first
            gaps.append(LeftOut(first, last, reason))
        before = turn.seq
    return tuple(gaps)
