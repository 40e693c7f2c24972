from __future__ import annotations

import signal
import sys

import anyio
import anyio.lowlevel
import pytest

from chatbots.cli.loop import loop_options, run


async def name_of_the_loop() -> str:
    return type(anyio.lowlevel.current_token().native_token).__module__


def test_uvloop_is_used_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    name = anyio.run(name_of_the_loop, backend_options=loop_options())
    assert name.startswith("uvloop")


def test_the_standard_loop_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "chatbots.cli.loop")
    from chatbots.cli.loop import loop_options as options

    name = anyio.run(name_of_the_loop, backend_options=options())
    assert name.startswith("asyncio")


async def begins_and_ends(done: list[str], said: str) -> int:
    try:
        if said == "told":
            signal.raise_signal(signal.SIGTERM)
            await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.lowlevel.checkpoint()
            done.append(said)
    return 7


@pytest.mark.parametrize(("said", "status"), [("told", 143), ("not told", 7)])
def test_sigterm_cancels_a_program_that_ends_what_it_began(said: str, status: int) -> None:
    done: list[str] = []
    assert run(begins_and_ends, done, said) == status
    assert done == [said]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
