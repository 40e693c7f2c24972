from __future__ import annotations

import sys

import anyio
import pytest

from chatbots.cli.loop import loop_options


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
