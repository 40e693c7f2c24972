"""A realtime session with Azure: `AZURE_OPENAI_ENDPOINT=... AZURE_OPENAI_API_KEY=...`.

With OPENAI_API_VERSION=2024-10-01-preview it is the dated API, else v1.
The `Token` of an `Address` is asked for whenever a socket is opened: Entra's are short-lived.
"""

from __future__ import annotations

import os
import sys

import anyio

from chatbots import RealtimeClient
from chatbots.realtime.address import Address


def entra_token() -> str:
    """Return a token; azure-identity's `get_bearer_token_provider` gives such a function."""
    return os.environ["AZURE_ENTRA_TOKEN"]


async def main(deployment: str, question: str) -> None:
    """Ask a deployment, with the resource's key or else with a token."""
    version = os.environ.get("OPENAI_API_VERSION")
    address = Address(
        key=os.environ.get("AZURE_OPENAI_API_KEY") or entra_token,
        base_url=os.environ["AZURE_OPENAI_ENDPOINT"],
        azure=True,
        api_version=version,
        dialect="beta" if version else "ga",
    )
    async with RealtimeClient(address=address, model=deployment).connect() as conn:
        answer = await conn.send_text(question)
        print((await answer.ended()).text)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], " ".join(sys.argv[2:]) or "What is a river?")
