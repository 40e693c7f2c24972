"""A function that the model calls over a realtime session: `python examples/realtime_tools.py`."""

from __future__ import annotations

import sys

import anyio

from chatbots import Chatbots
from chatbots.realtime.events.responses import ResponseDone, ResponseTextDelta


def get_weather(location: str) -> str:
    """Get the current weather.

    Args:
        location: The city and state, such as San Francisco, CA.
    """
    return f"It is 21 degrees in {location}."


async def main(question: str) -> None:
    """Ask; the calls are run and answered on the way."""
    async with Chatbots() as bots, bots.realtime_client(tools=[get_weather]).connect() as conn:
        await conn.send_text(question)
        while True:
            match await conn.read_message():
                case ResponseTextDelta(delta=text):
                    print(text, end="", flush=True)
                case ResponseDone(response=response):
                    calls = [i for i in response.output or () if i.type == "function_call"]
                    for call in calls:
                        print(f"[{call.name}({call.arguments})]")
                    if not calls:
                        return


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]) or "What is the weather in Paris?")
