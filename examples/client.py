"""A client of `chatbots serve`: `python examples/client.py localhost:8080`.

It asks one request of each type, shows a streamed answer as it forms, and leaves with status 0
if all were answered. A token, where the server wants one, is in CHATBOTS_TOKEN.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from websockets.sync.client import ClientConnection, connect

Frame = dict[str, Any]

STORY = [{"role": "user", "content": "Tell me a story in one sentence."}]
WEATHER = {"name": "get_weather", "arguments": '{"location": "San Francisco, CA"}'}

REQUESTS: list[tuple[str, Frame]] = [
    ("ping", {}),
    ("tools_list", {}),
    ("tool_execute", {"tool_call": {"id": "call_1", "type": "function", "function": WEATHER}}),
    ("embedding", {"input": "The quick brown fox jumps over the lazy dog"}),
    ("chat_completion", {"messages": [{"role": "user", "content": "Hello!"}]}),
    ("chat_completion_stream", {"messages": STORY}),
]


def main() -> int:
    """Ask each request; return the exit status."""
    address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8080"
    token = os.environ.get("CHATBOTS_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    failed = 0
    with connect(f"ws://{address}/ws", additional_headers=headers) as socket:
        for number, (kind, payload) in enumerate(REQUESTS):
            print(f"{kind}: ", end="", flush=True)
            for frame in ask(socket, kind, f"r{number}", payload):
                failed += "error" in frame
                print(shown(kind, frame), end="", flush=True)
            print()
    return 1 if failed else 0


def ask(socket: ClientConnection, kind: str, request_id: str, payload: Frame) -> Iterator[Frame]:
    """Yield the frames that answer a request; of one that is not streamed there is one."""
    socket.send(json.dumps({"type": kind, "request_id": request_id, "payload": payload}))
    while True:
        frame: Frame = json.loads(socket.recv())
        if frame.get("request_id") != request_id:
            continue  # going_away, for one, answers nobody
        yield frame
        if kind != "chat_completion_stream" or "error" in frame or frame["data"].get("done"):
            return


def shown(kind: str, frame: Frame) -> str:
    """Return what is worth showing of an answer."""
    if "error" in frame:
        return f"{frame['error_code']}: {frame['error']}"
    data = frame["data"]
    match kind:
        case "tools_list":
            return ", ".join(tool["name"] for tool in data["tools"])
        case "tool_execute":
            return str(data["content"])
        case "embedding":
            return f"{len(data['data'][0]['embedding'])} numbers"
        case "chat_completion":
            return str(data["choices"][0]["message"]["content"])
        case "chat_completion_stream":
            return "".join(choice["delta"].get("content") or "" for choice in data["choices"])
        case _:
            return str(frame["type"])


if __name__ == "__main__":
    sys.exit(main())
