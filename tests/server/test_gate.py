"""The gate: from where, by which token, and what is whose."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatbots.errors import AccessDenied
from chatbots.messages import Usage
from chatbots.server.access import Caller, Guard
from chatbots.server.gate import Gate
from chatbots.server.members import Limits
from chatbots.server.origins import names_of
from chatbots.server.quota import Ledger
from chatbots.server.tokens import TokenFile
from chatbots.sessions.in_memory import InMemorySessions
from chatbots.testing.shelf_contract import said

HOST = "localhost:8080"
OWN = "http://localhost:8080"
CHAT = "chat_completion"


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens")


def knock(
    gate: Guard,
    token: str | None = None,
    *,
    path: str = "/ws",
    peer: str | None = "127.0.0.1",
    socket: bool = True,
    host: str = HOST,
    origin: str | None = None,
    protocols: str | None = None,
) -> Caller:
    """Ask to be let in."""
    bearer = None if token is None else f"Bearer {token}"
    named = {"origin": origin, "authorization": bearer, "sec-websocket-protocol": protocols}
    headers = {name: [value] for name, value in named.items() if value is not None}
    return gate.admit({"host": [host], **headers}, path=path, peer=peer, socket=socket)


def refusal(
    gate: Guard,
    token: str | None = None,
    *,
    path: str = "/ws",
    host: str = HOST,
    origin: str | None = None,
) -> str:
    with pytest.raises(AccessDenied) as caught:
        knock(gate, token, path=path, host=host, origin=origin)
    return caught.value.code


def test_without_tokens_a_program_on_this_machine_may_do_everything() -> None:
    gate = Gate(limits=Limits(sockets=1, burst=1, turns=1))
    callers = [knock(gate, peer=peer) for peer in ("127.0.0.1", "::1", None) for _ in range(2)]
    for caller in callers:
        assert caller.user is None
        for _ in range(3):
            caller.begin(CHAT)
        caller.end(CHAT, Usage(1, 1, 2))
        caller.leave()


def test_a_web_page_needs_the_token_of_the_servers_own_page() -> None:
    gate = Gate(names=names_of("", "https://trusted.test"))
    assert refusal(gate, origin=OWN) == "unauthorized"
    assert refusal(gate, "é", origin=OWN) == "unauthorized"
    assert refusal(gate, Gate().page_token, origin=OWN) == "unauthorized"
    assert refusal(gate, gate.page_token, origin="http://localhost:3000") == "origin_not_allowed"
    assert refusal(gate, gate.page_token, origin="null") == "origin_not_allowed"
    assert knock(gate, gate.page_token, origin=OWN).user is None
    assert knock(gate, origin="https://trusted.test").user is None
    offered = f"chatbots, bearer.{gate.page_token}"
    assert knock(gate, origin=OWN, protocols=offered).subprotocol == "chatbots"


@pytest.mark.checklist(163)
def test_with_tokens_nobody_comes_in_without_one(tokens: TokenFile) -> None:
    gate = Gate(tokens=tokens)
    token = tokens.add("ada")
    for wrong in (None, "", "cb_1_2", token[:-1], gate.page_token):
        assert refusal(gate, wrong) == "unauthorized"
        assert refusal(gate, wrong, origin=OWN) == "unauthorized"
    assert refusal(gate, token, origin="https://evil.test") == "origin_not_allowed"
    assert knock(gate, token).user == "ada"
    assert knock(gate, token, origin=OWN).user == "ada"


@pytest.mark.parametrize("path", ["/ws", "/info", "/"])
def test_a_foreign_name_gets_nothing(path: str, tokens: TokenFile) -> None:
    """DNS rebinding: to the browser the page is the server's own."""
    gate = Gate(tokens=tokens)
    host, origin = "evil.test:8080", "http://evil.test:8080"
    for door, token in ((gate, tokens.add("ada")), (Gate(), None)):
        assert refusal(door, token, path=path, host=host, origin=origin) == "host_not_allowed"


def test_health_is_everybodys_and_the_page_comes_before_its_token(tokens: TokenFile) -> None:
    gate = Gate(tokens=tokens)
    assert knock(gate, path="/health", host="whatever.test", origin="null").user is None
    assert knock(gate, path="/", socket=False).user is None
    assert refusal(gate, path="/info") == "unauthorized"


def test_a_revoked_token_is_refused_at_once_on_open_sockets_too(tokens: TokenFile) -> None:
    gate = Gate(tokens=tokens)
    token = tokens.add("ada")
    caller = knock(gate, token)
    caller.begin(CHAT)
    tokens.revoke("ada")
    with pytest.raises(AccessDenied, match="revoked"):
        caller.begin("ping")
    caller.end(CHAT, None)
    assert refusal(gate, token) == "unauthorized"


def test_limits_are_the_users_over_all_sockets_and_tokens(tokens: TokenFile) -> None:
    gate = Gate(tokens=tokens, limits=Limits(sockets=2, turns=1))
    one, two, eve = tokens.add("ada"), tokens.add("ada"), tokens.add("eve")
    first, second = knock(gate, one), knock(gate, two)
    assert refusal(gate, one) == "too_many_requests"
    assert knock(gate, one, socket=False).user == "ada"
    first.begin(CHAT)
    with pytest.raises(AccessDenied, match="turns are running"):
        second.begin(CHAT)
    knock(gate, eve).begin(CHAT)
    second.leave()
    second.leave()
    knock(gate, one)
    assert refusal(gate, one) == "too_many_requests"


def test_what_a_user_spends_is_counted(tokens: TokenFile, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "spent")
    gate = Gate(tokens=tokens, ledger=ledger, limits=Limits(quota=5))
    caller = knock(gate, tokens.add("ada"))
    caller.begin(CHAT)
    caller.end(CHAT, Usage(2, 3, 5))
    with pytest.raises(AccessDenied) as caught:
        caller.begin(CHAT)
    assert caught.value.code == "quota_spent"
    ledger.close()


def test_strangers_from_elsewhere_have_limits_by_address() -> None:
    gate = Gate(limits=Limits(sockets=1))
    knock(gate, peer="192.0.2.1")
    with pytest.raises(AccessDenied, match="1 sockets"):
        knock(gate, peer="192.0.2.1")
    assert knock(gate, peer="192.0.2.2").user is None


async def test_a_user_sees_only_what_is_theirs(tokens: TokenFile) -> None:
    gate, store = Gate(tokens=tokens), InMemorySessions()
    ada, eve = (knock(gate, tokens.add(user)).scope(store) for user in ("ada", "eve"))
    turn = await ada.begin("s", "r1", [])
    await ada.finish(turn, [], state="completed")
    assert (len(await ada.load("s")), len(await eve.load("s"))) == (1, 0)
    nearly = knock(gate, tokens.add("ad")).scope(store)
    assert [len(await nearly.load(name)) for name in ("a/s", "as", "/../ada/s")] == [0, 0, 0]
    await said(store, "t", "Hello.", "Hi.")
    assert len(await knock(Gate()).scope(store).load("t")) == 1


def test_a_file_of_tokens_that_cannot_be_used_lets_nobody_in_and_only_the_log_says_why(
    tokens: TokenFile,
) -> None:
    token = tokens.add("ada")
    gate = Gate(tokens=tokens)
    caller = knock(gate, token)
    tokens.path.chmod(0o666)
    with capture_logs() as lines:
        assert refusal(gate, token) == "unauthorized"
        with pytest.raises(AccessDenied) as caught:
            caller.begin(CHAT)
    assert str(tokens.path) not in str(caught.value)
    assert all("others than its owner may write it" in line["error"] for line in lines)
    assert len(lines) == 2
    tokens.path.chmod(0o600)
    caller.begin(CHAT)
