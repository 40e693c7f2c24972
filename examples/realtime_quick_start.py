"""The quick start of the reference: `python examples/realtime_quick_start.py`, with a key set."""

from __future__ import annotations

import os
import sys

import anyio

from chatbots import RealtimeClient
from chatbots.realtime.address import OPENAI_URL, Address
from chatbots.realtime.events.responses import ResponseDone, ResponseTextDelta


async def main(key: str) -> None:
    """Ask one question, and print the answer as it comes."""
    address = Address(key=key, base_url=os.environ.get("OPENAI_BASE_URL") or OPENAI_URL)
    client = RealtimeClient(address=address)
    with anyio.fail_after(120):
        async with client.connect() as conn:
            # Without respond=False this asks for the answer as well.
            await conn.send_text("Tell me about the OpenAI Realtime API")
            print("Response:")
            while True:
                match await conn.read_message():
                    case ResponseTextDelta(delta=text):
                        print(text, end="", flush=True)
                    case ResponseDone():
                        print("\nResponse complete")
                        return


if __name__ == "__main__":
    api_key = os.environ.get("OPENAI_API_KEY")
    if not api_key:
        sys.exit("OPENAI_API_KEY environment variable is required")
    anyio.run(main, api_key)
