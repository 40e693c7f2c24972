"""Text in, voice out: `python examples/voice_from_text.py "What is a river?" answer.wav`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from chatbots import AudioDelta, Chatbots, TextDelta
from chatbots.terminal.sound_files import spoken_into


async def main(question: str, path: str) -> None:
    """Ask, print the answer as it forms, and write its sound to a WAV file."""
    async with Chatbots() as bots:
        with spoken_into(Path(path)) as sound:
            async with bots.voice().stream(question) as answer:
                async for delta in answer:
                    match delta:
                        case TextDelta(text):
                            print(text, end="", flush=True)
                        case AudioDelta(pcm=pcm):
                            sound.write(pcm)
                        case _:
                            pass
            sound.close()
    print()


if __name__ == "__main__":
    said, written = (*sys.argv[1:], *["What is a river?", "answer.wav"][len(sys.argv) - 1 :])
    anyio.run(main, said, written)
