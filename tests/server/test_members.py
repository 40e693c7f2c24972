"""How much each user may do, on however many sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chatbots.errors import AccessDenied
from chatbots.messages import Usage
from chatbots.server.members import ALWAYS, FREE, MANY, Limits, Member, Members
from chatbots.server.quota import Ledger
from chatbots.server.router import ROUTES

CHAT = "chat_completion_stream"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(doing: Callable[[], object]) -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        doing()
    return caught.value


def ada(limits: Limits, ledger: Ledger | None = None, clock: Clock | None = None) -> Member:
    return Members(limits, ledger, clock=clock or Clock()).of("ada")


def test_a_user_has_so_many_sockets() -> None:
    member = ada(Limits(sockets=2))
    member.enter()
    member.enter()
    assert refused(member.enter).code == "too_many_requests"
    member.leave()
    member.enter()


@pytest.mark.checklist(197)
def test_a_user_sends_so_many_messages_a_minute() -> None:
    clock = Clock()
    member = ada(Limits(rate=60, burst=2), clock=clock)
    member.begin("ping")
    member.begin("tools_list")
    error = refused(lambda: member.begin("ping"))
    assert (error.code, error.retry_after, error.retryable) == ("too_many_requests", 1, True)
    assert "60 messages a minute" in error.message
    clock.now = 1
    member.begin("ping")


def test_what_is_free_or_always_allowed_are_requests_there_are() -> None:
    assert {*FREE, ALWAYS} - {"error"} <= set(ROUTES)


def test_a_turn_can_always_be_stopped() -> None:
    member = ada(Limits(burst=1, turns=1))
    member.begin(CHAT)
    for _ in range(1000):
        member.begin("cancel")
        member.end("cancel", None)
    assert refused(lambda: member.begin("ping")).code == "too_many_requests"


@pytest.mark.parametrize("kind", [CHAT, "chat_completion", "embedding", "of_tomorrow"])
def test_a_user_has_so_many_turns_running(kind: str) -> None:
    member = ada(Limits(turns=1))
    member.begin(kind)
    assert "1 turns are running" in refused(lambda: member.begin(CHAT)).message
    for free in FREE:
        member.begin(free)
        member.end(free, None)
    member.end(kind, None)
    member.begin(kind)


@pytest.mark.checklist(197)
def test_a_user_spends_so_many_tokens_a_day_however_the_turns_end(tmp_path: Path) -> None:
    day = Clock()
    day.now = 86_400 * 20_000 + 3600
    ledger = Ledger(tmp_path, clock=day)
    members = Members(Limits(quota=10), ledger, clock=Clock())
    member = members.of("ada")
    for usage in (Usage(3, 2, 5), None, Usage(3, 2, 0, estimated=True)):
        member.begin(CHAT)
        member.end(CHAT, usage)
    error = refused(lambda: member.begin(CHAT))
    assert (error.code, error.retry_after) == ("quota_spent", 23 * 3600)
    member.begin("ping")
    members.of("eve").begin(CHAT)
    day.now += 23 * 3600
    member.begin(CHAT)
    ledger.close()


def test_who_does_nothing_is_forgotten_when_there_are_many() -> None:
    clock = Clock()
    members = Members(Limits(), None, clock=clock)
    here, running, talking = (members.of(name) for name in ("here", "running", "talking"))
    here.enter()
    running.begin(CHAT)
    clock.now = 1000
    talking.begin("ping")
    gone = members.of("gone")
    for number in range(MANY):
        members.of(f"@{number}")
    assert members.of("gone") is not gone
    assert [members.of(name) for name in ("here", "running", "talking")] == [here, running, talking]
