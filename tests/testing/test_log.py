from __future__ import annotations

import io

import anyio
import msgspec
import pytest

from chatbots.testing.calls import Call
from chatbots.testing.fake_openai import FakeOpenAI
from chatbots.testing.log import Log, entry
from tests.testing.faults.wire import TEXT, ask


async def logged(fault: str, *, seconds: float = 5, most: int = 2**20) -> dict[str, object]:
    """Return the line of one call with this fault."""
    file = io.BytesIO()
    async with FakeOpenAI(log=Log(file)) as fake:
        await ask(fake, fault, seconds=seconds, most=most)
        with anyio.fail_after(20):
            await fake.until(lambda: fake.open_connections == 0)
    (line,) = file.getvalue().splitlines()
    found: dict[str, object] = msgspec.json.decode(line)
    return found


async def test_a_good_answer_is_a_line_without_a_fault() -> None:
    line = await logged("ok")
    assert line["request"] == "POST /v1/chat/completions"
    assert (line["model"], line["stream"], line["finished"]) == ("fault:ok", True, True)
    assert (line["call"], line["connection"], line["sent_pieces"]) == (1, 1, len(TEXT.split()))
    nothing = ("fault", "fault_after", "hung_up_after", "read_on")
    assert [line[name] for name in nothing] == [None] * 4


@pytest.mark.usefixtures("time_flies")
async def test_a_client_that_gives_up_shows_when() -> None:
    line = await logged("midstream-stall:2", seconds=0.3)
    assert line["fault"] == "midstream-stall:2"
    assert line["finished"] is False
    assert isinstance(line["hung_up_after"], float)
    assert isinstance(line["fault_after"], float)
    assert line["hung_up_after"] > line["fault_after"]
    assert line["read_on"] is None


@pytest.mark.parametrize(("most", "read_on"), [(2**20, True), (900, False)])
async def test_a_client_that_reads_on_after_an_error_is_told_from_one_that_leaves(
    most: int, read_on: bool
) -> None:
    line = await logged("midstream-error:2", most=most)
    assert (line["read_on"], line["finished"]) == (read_on, read_on)


def test_what_is_no_chat_call_is_a_line_too() -> None:
    for body in (b"", b"[]", b"\xff"):
        call = Call(number=1, connection=1, method="GET", target="/x?k=v", headers={}, body=body)
        line = entry(call)
        assert (line["request"], line["request_bytes"]) == ("GET /x", len(body))
        assert (line["model"], line["stream"]) == (None, False)


async def test_no_header_is_in_the_log() -> None:
    call = Call(
        number=1,
        connection=1,
        method="GET",
        target="/v1/models?api-key=sk-canary",
        headers={"authorization": "Bearer sk-canary"},
        body=b"{}",
    )
    assert "canary" not in str(entry(call))
