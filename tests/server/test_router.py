from __future__ import annotations

from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from chatbots.errors import AccessDenied, InvalidRequest, ProviderError, StorageError
from chatbots.messages import Usage
from chatbots.server.access import Anybody, Caller, OpenDoor
from chatbots.server.router import ROUTES, route_of
from chatbots.testing import ScriptedModel
from tests.server.peer import application, connected, user

TOKENS = Usage(1, 2, 3)


class Counting(Anybody):
    """A caller of whom everything is counted, and who may ask twice."""

    user = "ada"

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, Usage | None]] = []
        self.left = 0

    def begin(self, kind: str) -> None:
        if len(self.begun) == 2:
            raise AccessDenied("too_many_requests", "Slow down.", retry_after=3)
        self.begun.append(kind)

    def end(self, kind: str, usage: Usage | None) -> None:
        self.ended.append((kind, usage))

    def leave(self) -> None:
        self.left += 1


class Door(OpenDoor):
    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def admit(self, *_: object, **__: object) -> Caller:
        return self.caller


@pytest.mark.checklist(239)
def test_there_is_a_route_for_every_type_of_the_reference() -> None:
    for kind in ("chat_completion", "chat_completion_stream", "embedding", "tools_list"):
        assert route_of(kind).answer == f"{kind}_response"
    assert (route_of("ping").answer, route_of("tool_execute").answer) == (
        "pong", "tool_execute_response",
    )  # fmt: skip
    with pytest.raises(InvalidRequest, match=r"'toString'.*ping, chat_completion") as caught:
        route_of("toString")
    assert caught.value.category == "unknown_type"


async def test_every_request_is_counted_in_and_out_and_logged() -> None:
    caller, model = Counting(), ScriptedModel()
    model.answer("Hello.", usage=TOKENS)
    async with connected(application(model, guard=Door(caller))) as peer:
        with capture_logs() as lines:
            await peer.ask("chat_completion", user("Hi"), request_id="a")
            await peer.ask("ping", request_id="b")
            refused = await peer.ask("ping", request_id="c")
    assert caller.begun == ["chat_completion", "ping"]
    assert caller.ended == [("chat_completion", TOKENS), ("ping", None)]
    assert caller.left == 1
    assert (refused["error_code"], refused["retry_after"]) == ("too_many_requests", 3)
    logged = [line for line in lines if line["event"] == "server.request"]
    assert [(x["type"], x["request_id"], x["user"], x["code"], x["tokens"]) for x in logged] == [
        ("chat_completion", "a", "ada", "ok", 3),
        ("ping", "b", "ada", "ok", None),
        ("ping", "c", "ada", "too_many_requests", None),
    ]


@pytest.mark.parametrize("kind", sorted(ROUTES))
@pytest.mark.parametrize("payload", [5, [], "x", {"messages": 5, "input": 5, "limit": "x"}])
async def test_a_payload_of_a_wrong_shape_is_refused_by_its_field(
    kind: str, payload: object
) -> None:
    async with connected(application()) as peer:
        frame = await peer.ask(kind, payload)
        assert (frame["type"], frame["request_id"]) == (ROUTES[kind].answer, "r1")
        if "error" in frame:
            assert frame["error_category"] == "validation"
        else:
            assert payload == {"messages": 5, "input": 5, "limit": "x"}
            assert kind in ("ping", "tools_list")
        assert (await peer.ask("ping"))["type"] == "pong"


async def test_an_image_that_cannot_be_sent_is_wrong_in_the_messages() -> None:
    image = {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}
    asked = {"messages": [{"role": "user", "content": [image]}]}
    async with connected(application()) as peer:
        frame = await peer.ask("chat_completion", asked)
    assert (frame["error_code"], frame["param"]) == ("invalid_request", "messages")


async def test_a_payload_may_be_null() -> None:
    async with connected(application()) as peer:
        peer.write('{"type":"tools_list","request_id":"r1","payload":null}')
        assert (await peer.read())["data"]["tools"]


@pytest.mark.parametrize("kind", ["chat_completion", "chat_completion_stream"])
async def test_what_had_arrived_goes_with_the_error_and_no_secret_does(kind: str) -> None:
    broken = ProviderError("stream_interrupted", "It broke at canary-4711.")
    model = ScriptedModel(["Once ", "upon ", broken])
    app = application(model, secrets=("canary-4711",))
    async with connected(app) as peer:
        frame = await peer.ask(kind, user("Hi"))
        while "error" not in frame:
            frame = await peer.read()
    assert frame["error"] == "It broke at [redacted]."
    assert (frame["error_code"], frame["error_category"]) == ("stream_interrupted", "upstream")
    if kind == "chat_completion_stream":
        assert frame["data"] == {"done": True}


@pytest.mark.parametrize("kind", ["ping", "chat_completion_stream"])
async def test_what_names_files_of_this_machine_is_for_the_log(kind: str) -> None:
    caller = Counting()
    trouble = StorageError("storage_unavailable", "The file /home/x is full.")
    caller.begin = Mock(side_effect=trouble)  # type: ignore[method-assign]  # for this test
    async with connected(application(guard=Door(caller))) as peer:
        with capture_logs() as lines:
            frame = await peer.ask(kind, user("Hi"))
    assert frame["error"] == "The server has a fault of its own: the store cannot be written."
    assert (frame["error_code"], frame["retryable"]) == ("storage_unavailable", True)
    told = [line["error"] for line in lines if line["event"] == "server.trouble"]
    assert told == ["The file /home/x is full."]


async def test_what_only_the_operator_can_mend_is_for_the_log() -> None:
    refused = ProviderError("upstream_auth", "models.example refuses the key.", hint="Set a key.")
    async with connected(application(ScriptedModel([refused]))) as peer:
        with capture_logs() as lines:
            frame = await peer.ask("chat_completion", user("Hi"))
    assert frame["error"] == "The model cannot be asked: the server refuses the key."
    assert frame["error_code"] == "upstream_auth"
    told = [line["error"] for line in lines if line["event"] == "server.trouble"]
    assert told == ["models.example refuses the key. Set a key."]


async def test_a_bug_is_an_error_of_the_servers_and_says_nothing_else() -> None:
    model = ScriptedModel([RuntimeError("at line 5")], [RuntimeError("at line 5")], "Hello.")
    async with connected(application(model)) as peer:
        with capture_logs() as lines:
            frame = await peer.ask("chat_completion", user("Hi"))
            stream = await peer.ask("chat_completion_stream", user("Hi"))
        assert (frame["error_code"], frame["error_category"]) == ("internal", "internal")
        assert "line 5" not in frame["error"]
        assert stream["data"] == {"done": True}
        told = {line.get("error"): line.get("exc_info") for line in lines}
        assert told["RuntimeError: at line 5"] is True  # the log says where
        assert "error" not in await peer.ask("chat_completion", user("Hi"))
