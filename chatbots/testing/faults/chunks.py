"""What is odd or broken in the JSON of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

import msgspec

from chatbots.testing import bodies
from chatbots.testing.bodies import Json
from chatbots.testing.faults.steps import (
    Fault,
    Mark,
    Script,
    Send,
    Step,
    Steps,
    answer,
    end,
    head,
    sends,
)

MIB: Final = 1024 * 1024
TEXT: Final = re.compile(rb'(?<="content":"|"refusal":")')
LONE: Final = "(lone surrogate)"
HARD_TEXT: Final = (
    "e\u0301 \U0001f469\u200d\U0001f469\u200d\U0001f467 \u202e\u05d0\u05d1\u202c \u2028\u2029"
    "\ufeff\u0000\u001b[31m\x7f \U0010ffff \ufffd"
)
"""An accent by itself, joined emoji, right-to-left, separators of lines, BOM, NUL, an escape."""


def extra(change: Callable[[Json], Json]) -> Steps:
    """Slip a changed chunk without text in after so many pieces; change the one whole body."""

    def steps(script: Script, pieces: float) -> Iterator[Step]:
        said = script.bodies
        if not script.stream:
            return answer(script, [change(said[0])])
        place = 1 + min(int(pieces), len(script.pieces))
        odd = Send(bodies.event(change(script.sheet.piece(""))))
        good = sends(script)
        return iter([head(script), *good[:place], odd, *good[place:], end(script)])

    return steps


def every(change: Callable[[Json], Json]) -> Steps:
    """Change every chunk, or the one whole body."""
    return lambda script, _: answer(script, [change(body) for body in script.bodies])


def damaged(change: Callable[[bytes, Script, float], bytes]) -> Steps:
    """Replace the JSON of the second piece; the rest of the answer follows as if it were good."""

    def steps(script: Script, number: float) -> Iterator[Step]:
        good = sends(script)
        yield head(script)
        if script.stream:
            place = max(1, min(2, len(script.pieces)))
            yield from good[:place]
            yield Mark.STRIKE
            spoilt = change(good[place].data[len(b"data: ") : -2], script, number)
            yield Send(b"data: " + spoilt + b"\n\n", 1)
            yield from good[place + 1 :]
        else:
            yield Send(change(b"".join(send.data for send in good), script, number))
        yield end(script)

    return steps


def choice(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Change what is said in a body: the delta of its choice, or the message."""

    def changed(body: Json) -> Json:
        choices = cast("list[Json]", body["choices"])
        return {**body, "choices": [said(one) for one in choices]}

    def said(one: Json) -> Json:
        field = "delta" if "delta" in one else "message"
        return {**one, field: change(cast("Json", one[field]))}

    return changed


def bare(value: object = ...) -> Callable[[Json], Json]:
    """Replace the delta (or message) of a body, or leave it out."""

    def changed(body: Json) -> Json:
        one = cast("list[Json]", body["choices"])[0]
        field = "delta" if "delta" in one else "message"
        kept = {name: kept for name, kept in one.items() if name != field}
        return {**body, "choices": [kept if value is ... else {**kept, field: value}]}

    return changed


def without(body: Json, name: str) -> Json:
    """Return *body* without a field."""
    return {key: value for key, value in body.items() if key != name}


def reasoning(script: Script, pieces: float) -> Iterator[Step]:
    """Think aloud before the answer, in a field that OpenAI does not have."""
    said = script.bodies
    if not script.stream:
        return answer(
            script, [choice(lambda m: {**m, "reasoning_content": "Let me see."})(said[0])]
        )
    thought = [
        Send(bodies.event(script.sheet.chunk({"content": None, "reasoning_content": text})))
        for text in ("Let", " me", " see.")[: int(pieces)]
    ]
    first, *rest = sends(script)
    return iter([head(script), first, *thought, *rest, end(script)])


def n2(script: Script, _: float) -> Iterator[Step]:
    """Give two choices though one was asked for; the second says something else."""

    def doubled(body: Json) -> list[Json]:
        choices = cast("list[Json]", body["choices"])
        return [{**one, "index": 1} for one in choices]

    said = script.bodies
    other = script._replace(pieces=["Another answer."] * len(script.pieces)).bodies
    if not script.stream:
        choices = [*cast("list[Json]", said[0]["choices"]), *doubled(other[0])]
        return answer(script, [{**said[0], "choices": choices}])
    steps: list[Step] = [head(script)]
    for send, body in zip(sends(script), other, strict=True):
        steps.append(send)
        if twin := doubled(body):
            steps.append(Send(bodies.event({**body, "choices": twin})))
    return iter([*steps, end(script)])


def with_text(text: Callable[[float], str]) -> Steps:
    """Say one more piece at the end of the text."""
    return lambda script, n: answer(script._replace(pieces=[*script.pieces, text(n)]))


def lone_surrogate(script: Script, _: float) -> Iterator[Step]:
    r"""Say half of a surrogate pair, as the escape \ud83d, at the end of the text."""
    longer = script._replace(pieces=[*script.pieces, LONE])
    yield head(script)
    for send in sends(longer):
        yield Send(send.data.replace(LONE.encode(), rb"\ud83d"), send.pieces)
    yield end(script)


def refusal(script: Script, _: float) -> Iterator[Step]:
    """Say the text in the field for refusals."""
    return answer(script._replace(sheet=msgspec.structs.replace(script.sheet, said_in="refusal")))


def cut_json(data: bytes, script: Script, _: float) -> bytes:
    """Cut JSON off somewhere in its second half."""
    return data[: script.chance.randrange(len(data) // 2, len(data) - 1)]


UNKNOWN: Final[Json] = {"obfuscation": "x7", "x_new": {"deep": [1, None, {"er": True}]}}
USED: Final[Json] = bodies.usage(3, 1)

FAULTS: Final[Mapping[str, Fault]] = {
    "huge-line": Fault("one event with so much text", with_text(lambda n: "x" * int(n * MIB)),
        "MiB", 2),
    "invalid-json": Fault("the second piece is cut JSON", damaged(cut_json)),
    "invalid-utf8": Fault("the second piece has bytes that are no UTF-8",
        damaged(lambda data, _s, _n: TEXT.sub(b"\xff\xfe", data, count=1))),
    "non-object": Fault("a number in place of the second piece", damaged(lambda _d, _s, _n: b"42")),
    "deep-json": Fault("so many levels of lists in place of the second piece",
        damaged(lambda _d, _s, n: b"[" * int(n) + b"]" * int(n)), "levels", 100_000),
    "null-choices": Fault("a chunk with choices null",
        extra(lambda body: {**body, "choices": None}), "pieces", 1),
    "missing-choices": Fault("a chunk without choices",
        extra(lambda body: without(body, "choices")), "pieces", 1),
    "empty-choices": Fault("a chunk with no choice in choices",
        extra(lambda body: {**body, "choices": []}), "pieces", 1),
    "usage-only": Fault("a chunk with usage alone, before the end",
        extra(lambda body: {**body, "choices": [], "usage": USED}), "pieces", 1),
    "usage-null": Fault("usage null everywhere", every(lambda body: {**body, "usage": None})),
    "delta-null": Fault("a chunk with delta null", extra(bare(None)), "pieces", 1),
    "delta-missing": Fault("a chunk without delta", extra(bare()), "pieces", 1),
    "content-null": Fault("a chunk with content null",
        extra(choice(lambda said: {**said, "content": None})), "pieces", 1),
    "empty-delta": Fault("a chunk with an empty delta", extra(bare({})), "pieces", 1),
    "role-repeat": Fault("the role in every chunk",
        every(choice(lambda said: {"role": "assistant", **said}))),
    "unknown-fields": Fault("fields nobody knows, everywhere",
        every(lambda body: choice(lambda said: {**said, **UNKNOWN})({**body, **UNKNOWN}))),
    "reasoning": Fault("so many pieces of reasoning_content first", reasoning, "pieces", 3),
    "refusal": Fault("a refusal", refusal),
    "n2": Fault("two choices, interleaved", n2),
    "unicode": Fault("text that is hard to show, at the end", with_text(lambda _: HARD_TEXT)),
    "lone-surrogate": Fault("half a surrogate pair, as an escape, at the end", lone_surrogate),
}  # fmt: skip
"""By name. Where a whole answer was asked for, the same happens to its one body."""
