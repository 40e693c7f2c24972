"""Text in, voice out: `python examples/voice_from_text.py "What is a river?" answer.wav`."""

from __future__ import annotations

import sys
import wave

import anyio

from chatbots import AudioDelta, Chatbots, TextDelta


async def main(question: str, path: str) -> None:
    """Ask, print the answer as it forms, and write its sound to a WAV file."""
    async with Chatbots() as bots:
        with wave.open(path, "wb") as sound:
            sound.setparams((1, 2, 24_000, 0, "NONE", ""))
            async with bots.voice().stream(question) as answer:
                async for delta in answer:
                    match delta:
                        case TextDelta(text):
                            print(text, end="", flush=True)
                        case AudioDelta(pcm=pcm):
                            sound.writeframes(pcm)
                        case _:
                            pass
    print()


if __name__ == "__main__":
    said, written = (*sys.argv[1:], *["What is a river?", "answer.wav"][len(sys.argv) - 1 :])
    anyio.run(main, said, written)
