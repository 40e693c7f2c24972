"""What one user tries with what is another's."""

from __future__ import annotations

from typing import Any, Final

import anyio

from tests.abuse.house import CHAT, LIVELY, STREAM, house
from tests.abuse.raw import Peer, asked

NAMES: Final = (
    "diary", "ada/diary", "../ada/diary", "/ada/diary", "eve/../ada/diary", "./diary", "diary/",
    "%64iary", "..%2fada%2fdiary", "ada\\diary", "diary%", "*",
    "' OR 1=1 --", "diary\u200b", "DIARY",
)  # fmt: skip
"""Ways to ask for ada's session `diary`."""
RANDOM: Final = "x7k2m9"


def _reaching(name: str) -> dict[str, dict[str, Any]]:
    return {
        "session_history": {"session_id": name},
        "session_delete": {"session_id": name},
        "session_fork": {"session_id": name, "to": "mine"},
    }


async def _say(peer: Peer, session: str, text: str, request_id: str = "r1") -> dict[str, Any]:
    payload = {"session_id": session, "messages": [{"role": "user", "content": text}]}
    return await peer.ask(CHAT, payload, request_id)


def _as_for(name: str, said: dict[str, Any]) -> str:
    """Return an answer with the name taken out."""
    return repr(said).replace(repr(name)[1:-1], "NAME").replace(name, "NAME")


async def anothers_session() -> list[str]:
    """History, deletion, fork and chat of another's session, by its name and by path tricks."""
    holes = []
    async with house(**LIVELY) as here, here.client("ada") as ada, here.client("eve") as eve:
        await _say(ada, "diary", "My secret is 4711.")
        before = await ada.ask("session_history", {"session_id": "diary"})
        for name in NAMES:
            for kind, payload in _reaching(name).items():
                theirs = await eve.ask(kind, payload)
                random = await eve.ask(kind, _reaching(RANDOM)[kind])
                if theirs.get("error_code") not in ("session_not_found", "invalid_request"):
                    holes.append(f"{kind} {name!r}: {theirs}")
                elif _as_for(name, theirs) != _as_for(RANDOM, random) and name in NAMES[:2]:
                    holes.append(f"{kind} {name!r} differs from a random one: {theirs}")
            said = await _say(eve, name, "What is my secret?", f"r-{name}")
            if "4711" in repr(said) or "4711" in here.fake.calls[-1].body.decode():
                holes.append(f"chat in {name!r} knows it")
        listed = await eve.ask("sessions_list", {})
        if "4711" in repr(listed) or "secret is" in repr(listed):
            holes.append(f"it is listed: {listed}")
        if await ada.ask("session_history", {"session_id": "diary"}) != before:
            holes.append("ada's session has changed")
    return holes


async def anothers_request() -> list[str]:
    """Cancelling another's request by its id, and asking under its id."""
    holes = []
    async with house() as here, here.client("ada") as ada, here.client("eve") as eve:
        send, pieces = anyio.create_memory_object_stream[str](10)
        here.fake.answer(pieces)
        messages = {"messages": [{"role": "user", "content": "My secret is 4711."}]}
        await ada.send(asked(STREAM, messages, "theirs"))
        await send.send("Hel")
        await ada.said()
        said = await eve.ask("cancel", {"request_id": "theirs"})
        if said.get("data", {}).get("cancelled"):
            holes.append(f"eve cancelled it: {said}")
        mine = await eve.ask(CHAT, {"messages": [{"role": "user", "content": "Hi"}]}, "theirs")
        if "4711" in repr(mine):
            holes.append(f"eve was given it: {mine}")
        await send.send("lo")
        send.close()
        ended = [await ada.said()]
        while not ended[-1].get("data", {}).get("done"):
            ended.append(await ada.said())
        if "error" in ended[-1]:
            holes.append(f"ada's stream broke: {ended[-1]}")
    return holes


async def private_tools() -> list[str]:
    """Running a tool that is not marked for other processes; one that does not exist."""
    holes = []
    async with house() as here, here.client() as peer:
        for name in ("private", "no_such_tool", "__import__", "private "):
            call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": "{}"}}
            said = await peer.ask("tool_execute", {"tool_call": call})
            if "done" in repr(said.get("data", {}).get("content")) or not said["data"]["is_error"]:
                holes.append(f"{name!r} was run: {said}")
        listed = await peer.ask("tools_list", {})
        if "private" in repr(listed):
            holes.append("it is offered")
    return holes
