"""The commands of the README, one after the other."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import Runner
from tests.cli.running import Upstream
from tests.test_readme import blocks


@pytest.mark.parametrize("block", [block for block in blocks("sh") if "cmd." in block])
def test_the_commands_of_the_readme_answer_in_their_order(
    block: str, upstream: Upstream, run: Runner
) -> None:
    for command in block.splitlines():
        upstream.answer("So it is.")
        command = command.replace("http://127.0.0.1:8000/v1", upstream.base_url)
        _, _, module, *words = (one.strip('"') for one in re.findall(r'"[^"]*"|\S+', command))
        ran = run(module.removeprefix("cmd."), *words, given=b"Hi\n")
        # What the user said comes before the answer in a transcript.
        assert (ran.status, ran.out.splitlines()[-1:]) == (0, ["So it is."]), ran.err
