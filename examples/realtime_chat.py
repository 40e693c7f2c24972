"""A text chat over one realtime session: `python examples/realtime_chat.py`; exit or quit ends it.

What is asked is an item of the conversation, and then a response is asked for.
What the server says is read event by event; the transport sends a ping every 20 seconds.
"""

from __future__ import annotations

import sys

import anyio
from anyio import to_thread

from chatbots import Chatbots, ChatError, RealtimeConn
from chatbots.realtime.events.responses import ResponseDone, ResponseTextDelta
from chatbots.realtime.events.server import ErrorEvent

ENDS = ("exit", "quit")


async def show_answer(conn: RealtimeConn) -> None:
    """Print one answer as it comes."""
    while True:
        match await conn.read_message():
            case ResponseTextDelta(delta=text):
                print(text, end="", flush=True)
            case ErrorEvent(error=error):
                print(f"\n[{error.message}]", file=sys.stderr)
            case ResponseDone():
                print()
                return


async def main() -> None:
    """Ask what is typed, line by line."""
    async with Chatbots() as bots, bots.realtime_client().connect() as conn:
        while (line := await to_thread.run_sync(sys.stdin.readline)) and line.strip() not in ENDS:
            await conn.send_text(line.strip())
            await show_answer(conn)


if __name__ == "__main__":
    try:
        anyio.run(main)
    except ChatError as error:
        sys.exit(f"{error}")
