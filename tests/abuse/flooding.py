"""Too much: requests, sockets, turns, tokens; and clients that send, read or stay too little."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio

from tests.abuse.house import CHAT, LIVELY, SOON, STREAM, House, house
from tests.abuse.raw import Peer, asked, connection, handshake

MIB: Final = 1024 * 1024
HI: Final = {"messages": [{"role": "user", "content": "Hi"}]}


async def many_in_one_write() -> list[str]:
    """300 requests in one write: no more than 8 run at once, each is answered, a ping too."""
    async with house(**LIVELY, server_user_streams=1000) as here:
        hold = anyio.Event()
        for _ in range(300):
            here.fake.answer("Hi", hold=hold)
        async with here.client() as peer:
            await peer.send(b"".join(asked(CHAT, HI, f"r{n}") for n in range(300)))
            codes: Counter[str | None] = Counter()
            with anyio.move_on_after(10):
                codes = Counter([(await peer.said()).get("error_code") for _ in range(292)])
            running = len(here.fake.calls)
            if running > 8:
                return [f"{running} ran at once"]
            pong = await peer.ask("ping", request_id="p")
            hold.set()
            answered = [await peer.said() for _ in range(8)]
        holes = [f"refused with {code}" for code in codes if code != "too_many_requests"]
        holes += [f"not answered: {said}" for said in answered if "error" in said]
        return holes + ([] if pong["type"] == "pong" else [f"no pong: {pong}"])


async def too_many_messages() -> list[str]:
    """More messages than the rate allows, of any kind, over two sockets."""
    async with (
        house(server_rate=6, server_burst=10) as here,
        here.client() as one,
        here.client() as two,
        here.client("eve") as eve,
    ):
        said = [await peer.ask("ping") for _ in range(20) for peer in (one, two)]
        through = sum("error" not in answer for answer in said)
        last = said[-1]
        holes = [f"{through} of 40 went through"] if through > 14 else []
        if last.get("error_code") != "too_many_requests" or not last.get("retry_after"):
            holes.append(f"the last was told {last}")
        await one.send(asked("no_such_type", {}) * 50)
        codes = Counter([(await one.said()).get("error_code") for _ in range(50)])
        if codes["too_many_requests"] < 40:
            holes.append(f"nonsense has no rate: {dict(codes)}")
        return holes + (["eve is refused too"] if "error" in await eve.ask("ping") else [])


async def too_many_sockets() -> list[str]:
    """More sockets than a user may have; those that hung up do not count."""
    async with house(server_user_sockets=3) as here:
        for _ in range(10):  # hung up in the middle of the handshake, and after it
            async with connection(here.port) as peer:
                await peer.send(handshake(here.headers("ada"))[:-1])
            async with here.client():
                pass
        await _until_alone(here)
        async with here.client(), here.client(), here.client():
            answer = await here.knock(here.headers("ada"))
            other = await here.knock(here.headers("eve"))
        holes = [] if answer.status == 429 else [f"a fourth socket: {answer.status}"]
        return holes + ([] if other.status == 101 else [f"eve: {other.status}"])


async def _until_alone(here: House) -> None:
    """Wait until the server has noticed that nobody is there."""
    with anyio.fail_after(20):
        while '"clients":0' not in (await here.get("/health")).body:
            await anyio.sleep(0.01)


async def too_many_turns() -> list[str]:
    """More turns at once than a user may have, over two sockets."""
    async with house(server_user_streams=2) as here:
        hold = anyio.Event()
        for _ in range(5):
            here.fake.answer("Hi", hold=hold)
        async with here.client() as one, here.client() as two, here.client("eve") as eve:
            await one.send(asked(STREAM, HI, "a") + asked(CHAT, HI, "b"))
            await here.fake.wait_for_call(2)
            said: dict[str, Any] = {}
            with anyio.move_on_after(10):
                said = await two.ask(STREAM, HI, "c")
            if not said:
                return ["a third is running"]
            await eve.send(asked(CHAT, HI, "d"))
            await here.fake.wait_for_call(3)
            hold.set()
            answered = await eve.said()
        holes = [] if said.get("error_code") == "too_many_requests" else [f"a third: {said}"]
        return holes + (["eve is refused too"] if "error" in answered else [])


async def spent_quota() -> list[str]:
    """Tokens beyond the day's, by turns that ended well, were cancelled, and broke off."""
    holes = []
    for how in ("ended", "cancelled", "broken"):
        async with house(server_quota=30) as here, here.client() as peer:
            await _spend(here, peer, how)
            said = await peer.ask(CHAT, HI, "more")
            if said.get("error_code") != "quota_spent" or not said.get("retry_after"):
                holes.append(f"{how}: it goes on: {said}")
            if "error" in await peer.ask("sessions_list", {}):
                holes.append(f"{how}: nothing else goes on")
    return holes


async def _spend(here: House, peer: Peer, how: str) -> None:
    text = "It was a dark and stormy night. " * 10
    if how == "ended":
        usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
        here.fake.answer(text, usage=usage)
        await peer.ask(CHAT, HI, "first")
        return
    if how == "broken":
        here.fake.answer(text, fault="midstream-reset:200")
        await peer.ask(STREAM, HI, "first")
        return
    send, pieces = anyio.create_memory_object_stream[str](9)
    here.fake.answer(pieces)
    await peer.send(asked(STREAM, HI, "first"))
    await send.send(text)
    await peer.said()
    await peer.send(asked("cancel", {"request_id": "first"}, "stop"))
    with send:
        while (await peer.said()).get("request_id") != "first":
            pass


async def half_open() -> list[str]:
    """Connections that say nothing, and handshakes that never end."""
    holes = []
    async with house(hasty=True) as here:
        for name, data in (
            ("silent", b""),
            ("half a handshake", handshake()[:-4]),
            ("a byte", b"G"),
        ):
            async with connection(here.port) as peer:
                if data:
                    await peer.send(data)
                try:
                    with anyio.fail_after(10 * SOON):
                        while await peer.stream.receive():
                            pass
                except TimeoutError:
                    holes.append(f"{name}: it is held")
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    pass
        async with connection(here.port) as peer:
            try:
                with anyio.fail_after(20 * SOON):
                    for byte in handshake({"X-Slow": "x" * 1000}):
                        await peer.send(bytes([byte]))
                        await anyio.sleep(SOON / 10)
                holes.append("drops: it is held")
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
            except TimeoutError:
                holes.append("drops: it is held")
    return holes


async def a_socket_that_is_dead() -> list[str]:
    """Sockets whose client never answers a ping; one of them in the middle of a frame."""
    holes = []
    async with house(server_read_timeout=SOON) as here:
        for name, data in (("silent", b""), ("half a frame", b"\x81\xfe\x10\x00mask{")):
            async with here.client() as peer:
                try:
                    with anyio.fail_after(20 * SOON):
                        await peer.send(data)
                        while await peer.stream.receive():
                            pass
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    continue
                except TimeoutError:
                    holes.append(f"{name}: it is held")
    return holes


async def a_reader_that_stops() -> list[str]:
    """A client that asks for a long answer and never reads; others must not notice."""
    async with house(server_write_timeout=SOON, **LIVELY) as here:
        here.fake.answer(_endless())
        async with here.client("eve") as eve, here.client() as peer:
            await peer.send(asked(STREAM, HI))
            call = await here.fake.wait_for_call()
            waits = []
            with anyio.move_on_after(10):
                while not call.hung_up:
                    began = anyio.current_time()
                    await eve.ask("ping")
                    waits.append(anyio.current_time() - began)
                    await anyio.sleep(0.02)
            holes = [] if call.hung_up else ["its stream is still read from upstream"]
            usual = median(waits)  # the machine itself may stand still
            return holes + ([f"eve waits {usual:.1f} s for a pong"] if usual > 0.2 else [])


async def a_writer_that_never_reads() -> list[str]:
    """A client that asks and asks and reads no answer: it is cut, and nothing is piled up."""
    async with house(guarded=False, server_write_timeout=SOON) as here, here.client(None) as peer:
        before, sent = _memory(), 0
        with anyio.move_on_after(20):
            try:
                while True:
                    await peer.send(asked("ping") * 5000)
                    sent += 5000
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                grown = (_memory() - before) // MIB
                return [] if grown < 32 else [f"{grown} MiB are kept for {sent:,} pings"]
        return [f"it is not cut, after {sent:,} pings"]


HEAD: Final = b"POST /info HTTP/1.1\r\nHost: localhost\r\n"
ENDLESS: Final = (
    ("a body", HEAD + b"Content-Length: 9999999999\r\n\r\n", b"x" * 65_536),
    ("chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"8000\r\n%b\r\n" % (b"x" * 32_768)),
    ("headers", HEAD, b"X-A: %b\r\n" % (b"x" * 60_000)),
    ("a header", HEAD + b"X-A: ", b"x" * 65_536),
)
"""What is sent first, and then again and again."""


async def requests_without_end() -> list[str]:
    """Requests over HTTP whose body or whose headers never end."""
    holes = []
    async with house() as here:
        for name, head, more in ENDLESS:
            before, sent = _memory(), 0
            async with connection(here.port) as peer:
                with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                    await peer.send(head)
                    while sent < 200 * MIB:
                        await peer.send(more)
                        sent += len(more)
            grown = (_memory() - before) // MIB
            if grown > 32 or (sent > 20 * MIB and "header" in name):
                holes.append(f"{name}: {sent // MIB} MiB were taken, {grown} MiB kept")
    return holes


def _memory() -> int:
    """Return the bytes of memory that this process has, the server in it; 0 if nobody tells."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


async def _endless() -> AsyncGenerator[str]:
    while True:
        yield "x" * 50_000


async def vanishing() -> list[str]:
    """A client that vanishes mid-stream: the upstream is closed, unless it asked to go on."""
    holes = []
    async with house() as here:
        for number, wanted in ((1, True), (2, False)):
            send, pieces = anyio.create_memory_object_stream[str](9)
            here.fake.answer(pieces)
            more: dict[str, Any] = (
                {} if wanted else {"session_id": "s", "on_disconnect": "continue"}
            )
            async with here.client() as peer:
                await peer.send(asked(STREAM, HI | more))
                await send.send("Hel")
                await peer.said()
            call = await here.fake.wait_for_call(number)
            with send, anyio.move_on_after(10 if wanted else SOON):
                await here.fake.until(lambda call=call: call.hung_up)  # type: ignore[misc]  # bound
            if call.hung_up is not wanted:
                holes.append(f"hung up: {call.hung_up}, with {more}")
    return holes


async def tool_loops() -> list[str]:
    """A model that calls tools for ever, and very many at once."""
    holes = []
    for fault in ("tool-loop", "tool-bomb"):
        async with house() as here, here.client() as peer:
            here.fake.fault(",".join([fault] * 40))
            said = await peer.ask(STREAM, HI | {"tool_mode": "server"})
            if len(here.fake.calls) > 12:
                holes.append(f"{fault}: {len(here.fake.calls)} rounds")
            if said.get("error_code") == "internal":
                holes.append(f"{fault}: {said}")
            if "error" in await peer.ask("ping"):
                holes.append(f"{fault}: no ping after it")
    return holes
