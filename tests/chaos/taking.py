"""Turns taken under the shim, in a process of their own: what is told is noted in its record.

python -m tests.chaos.taking BASE_URL SECONDS [GUARD]
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import anyio

from chatbots import Chatbots, Settings, tool
from chatbots.messages import Turn
from chatbots.sessions.sqlite import database, schema
from chatbots.sessions.sqlite.store import SQLiteSessions
from tests.chaos.asked import Note, draw
from tests.chaos.breaks import BREAKS
from tests.chaos.power import note

TASKS: Final = 16
PAGES: Final = 60
"""Pages of the log after which they are moved into the database: often, to be hit there."""


@tool(name="note")
def nothing(request_id: str) -> str:
    """Do nothing.

    Args:
        request_id: the request
    """
    return request_id


async def main(base_url: str, seconds: str, guard: str) -> None:
    """Take turns for so long, then die."""
    log = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND)
    begin, open_writer = SQLiteSessions.begin, schema.open_writer

    async def begin_and_note(self: SQLiteSessions, *args: Any) -> Turn:
        turn = await begin(self, *args)
        note(log, Note(turn.said[-1].content))
        return turn

    def open_small(path: Path) -> Any:
        connection = open_writer(path)
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES}")
        return connection

    async def talk(bots: Chatbots, number: int) -> None:
        random, count = Random(number), 0
        while True:
            asked = draw(random, f"s{number}-{count // 4}", f"r{number}-{count}")
            bot = {"memory": bots.memory, "streaming": bots.streaming}[asked.bot](
                session=asked.session, request_id=asked.request_id, tools=[nothing]
            )
            reply = await bot.ask(asked.prompt)
            if reply.stored:
                note(log, Note(asked.prompt, reply.text))
            count += 1

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(database, "open_writer", open_small))
        if guard:
            stack.enter_context(BREAKS[guard].off())
        stack.enter_context(mock.patch.object(SQLiteSessions, "begin", begin_and_note))
        path = Path(os.environ["CHAOS_DB"])
        settings = Settings(openai_base_url=base_url, openai_api_key="any", db_path=path)
        async with Chatbots(settings) as bots, anyio.create_task_group() as tasks:
            for number in range(TASKS):
                tasks.start_soon(talk, bots, number)
            await anyio.sleep(float(seconds))
            os._exit(0)  # as little is done as when the power goes


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3])
