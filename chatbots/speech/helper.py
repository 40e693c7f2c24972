"""The helper process of the speech stack: it serves as long as somebody holds its lease.

Run as `python -m chatbots.speech.helper NEEDS CONFIG`; see `chatbots.local.helper`.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import msgspec
from msgspec import Struct

from chatbots.local.helper import Config, main

if TYPE_CHECKING:
    from chatbots.local.model import LocalModel
    from chatbots.provider.client import OpenAIClient, SharedClient
    from chatbots.speech.engines import Engines, Voice


PROGRAM: Final = (sys.executable, "-m", "chatbots.speech.helper")
"""The helper process's command; two arguments are added."""


class Needs(Struct, frozen=True, kw_only=True):
    """The files of the engines, and of the language model.

    `speakers`: files of styles, with the names of whose they are. `piper` may not be there: "".
    `moonshine`: the folder of the package's files, or the file of npm's.
    """

    voice: str
    speakers: dict[str, tuple[str, ...]]
    piper: str
    gold: str
    silver: str
    letters: str
    silero: str
    moonshine: str
    model: str


class _Asked:
    """A client for the local language model, whose lease is held as long as this process lives."""

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._shared: SharedClient | None = None

    async def client(self) -> OpenAIClient:
        """Return a client for the process that answers now, starting one if there is none."""
        from chatbots.provider.client import Access, SharedClient

        endpoint = await self._model.endpoint()
        access = Access(api_key=endpoint.api_key, base_url=endpoint.base_url, reuse=False)
        if self._shared is None or self._shared.access != access:
            self._shared = SharedClient(access)
        return self._shared.get()


def engines_of(needs: Needs, config: Config) -> Engines:
    """Load the engines; blocks for some 2 s.

    Raises `ModuleNotFoundError` where the extra is not installed.
    """
    from chatbots.local.model import LocalModel
    from chatbots.local.tool_routing import ToolRouting
    from chatbots.provider.chat import OpenAIChat
    from chatbots.provider.patience import Patience
    from chatbots.speech.engines import Engines
    from chatbots.speech.moonshine import Moonshine
    from chatbots.speech.moonshine_js import MoonshineJs
    from chatbots.speech.silero import Silero, open_silero

    path = Path(needs.model)
    local = LocalModel(
        path,
        name=path.stem,
        state_dir=Path(config.folder),
        idle=config.idle,
        context=config.context,
        threads=config.threads,
    )
    network = open_silero(Path(needs.silero))
    heard = Path(needs.moonshine)
    chat = OpenAIChat(
        _Asked(local).client, model=path.stem, patience=Patience(first_token=math.inf)
    )
    return Engines(
        model=ToolRouting(chat),
        recogniser=Moonshine(heard)
        if heard.is_dir()
        else MoonshineJs(heard, threads=config.threads),
        voices=voices_of(needs, threads=config.threads),
        silero=lambda: Silero(network),
        reads_ahead=True,
    )


def voices_of(needs: Needs, *, threads: int) -> dict[str, Voice]:
    """Load the voices; the first is the default. Blocks for some 1.5 s."""
    from chatbots.speech.kokoro import Kokoro, open_kokoro, styles_in
    from chatbots.speech.letters import Letters
    from chatbots.speech.phonemes import Phonemizer
    from chatbots.speech.piper import Piper

    gold, silver = (json.loads(Path(file).read_bytes()) for file in (needs.gold, needs.silver))
    phonemes = Phonemizer(gold, silver, Letters(Path(needs.letters)))
    network = open_kokoro(Path(needs.voice), threads=threads)
    voices: dict[str, Voice] = {
        name: Kokoro(network, styles, phonemes)
        for file, names in needs.speakers.items()
        for name, styles in zip(names, styles_in(Path(file)), strict=True)
    }
    if needs.piper:
        voices["joe"] = Piper(Path(needs.piper), threads=threads)
    return voices


def speech(config: Config, api_key: str) -> tuple[int, object]:
    """Serve from a thread; return the port and what must stay alive."""
    needs = msgspec.json.decode(sys.argv[1], type=Needs)
    engines = engines_of(needs, config)
    ports: queue.SimpleQueue[int] = queue.SimpleQueue()

    async def serve() -> None:
        from chatbots.speech.serving import serving

        async with serving(engines, api_key=api_key) as port:
            ports.put(port)
            await anyio.sleep_forever()

    def run() -> None:
        try:
            anyio.run(serve)
        finally:
            os._exit(1)  # Without its server the process is of no use; the next user starts one.

    thread = threading.Thread(target=run, name="speech", daemon=True)
    thread.start()
    return ports.get(timeout=30), thread


if __name__ == "__main__":
    main(speech)
