"""The table about the server, and whether its visitor notices what is wrong with an answer."""

from __future__ import annotations

import json

import pytest

from bench import server, visitor
from bench.measure import Found
from bench.visitor import Answer, Door, Visitor


def found(**values: float) -> Found:
    return {name: [value] for name, value in values.items()}


def test_the_table_says_what_is_added_and_how_many_times_a_peer_costs() -> None:
    stream = {"exact": 10.0, "delay_p99_ms": 2.0}
    rows = {
        "100 idle": found(sockets=100, kib=20, health_p99_ms=3),
        "streams, direct": found(**stream, cpu_us=3, first_p99_ms=20),
        "streams, ours": found(**stream, cpu_us=50, first_p99_ms=25),
        "streams, fastapi": found(**stream, cpu_us=200, first_p99_ms=900),
        "connects": found(connects=20, growth_mb=0.5, connects_s=800),
        "cancels": found(closed_p50_ms=3, closed_p99_ms=9),
    }
    text = "\n".join(server.lines(rows, server.SMOKE))
    assert "added to the first token, p99: 5.0 ms" in text
    assert "fastapi with the SDK takes 4.0 times our CPU" in text
    assert "20.0 KiB each   /health p99   3.0 ms" in text
    assert "+0.5 MB, 800 a second" in text


@pytest.mark.parametrize("wrong", [None, "lost", "twice", "swapped", "spoilt"])
async def test_an_answer_is_exact_or_not(wrong: str | None) -> None:
    answer = Answer()
    tokens = [f"{10**15 + number * 20_000_000:016d} " for number in range(5)]
    if wrong == "lost":
        del tokens[2]
    elif wrong == "twice":
        tokens[2] = tokens[1]
    elif wrong == "swapped":
        tokens[1:3] = tokens[2:0:-1]
    elif wrong == "spoilt":
        tokens[4] = tokens[4].replace(" ", ",")
    for token in tokens:
        answer.add(10**15 + 80_000_000, token)
    assert answer.is_exact(50, 5) is (wrong is None)


async def test_frames_are_read_however_they_are_cut() -> None:
    one = Visitor(Door(1, "token"))
    one.connection_made(Deaf())  # type: ignore[arg-type]  # a transport, as far as this goes
    answer = one.chat("r", "m")
    frames = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    for text in ("a", "b" * 200, "c" * 70_000):
        data = json.dumps({"request_id": "r", "data": {"choices": [{"delta": {"content": text}}]}})
        frame = visitor.framed(visitor.TEXT, data.encode())
        head = len(frame) - len(data) - 4
        frames += bytes([frame[0], frame[1] & 0x7F]) + frame[2:head] + data.encode()
    for at in range(0, len(frames), 1000):
        one.data_received(frames[at : at + 1000])
    assert one.opened.done()
    assert [len(text) for _, text in answer.pieces] == [1, 200, 70_000]
    one.connection_lost(None)
    assert answer.error == "lost"


class Deaf:
    """A transport that takes everything."""

    def write(self, data: bytes) -> None:
        """Take *data*."""
