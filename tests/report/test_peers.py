"""Who is asked: every client has a program, and an environment that pins what it is made of."""

from __future__ import annotations

import re

import pytest

from report.environments import PINNED, ROOT
from report.peers import CLIENTS, OPENAI_SDK, OURS, Client

PROGRAMS = ROOT / "report" / "clients"
peers = pytest.mark.parametrize("client", [c for c in CLIENTS if c.environment], ids=str)


def test_every_program_belongs_to_one_client() -> None:
    told = {"__init__", "telling"}
    assert {path.stem for path in PROGRAMS.glob("*.py")} - told == {c.program for c in CLIENTS}
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)


def test_every_environment_is_somebodys() -> None:
    assert {path.stem for path in PINNED.glob("*.txt")} == {c.environment for c in CLIENTS} - {""}


@peers
def test_every_package_of_a_client_is_pinned(client: Client) -> None:
    pins = (PINNED / f"{client.environment}.txt").read_text("utf-8").splitlines()
    pinned = {pin.partition("==")[0].lower() for pin in pins}
    assert set(client.packages) <= pinned
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)


def test_the_smoke_run_needs_no_environment_of_its_own() -> None:
    assert OURS.environment == ""
    assert OURS.packages == OPENAI_SDK.packages == ("openai",)
