"""Record sound: `python examples/audio_recorder.py out.wav SECONDS [in.wav]`, or `--list-devices`.

With a second file, that is the microphone, heard as fast as it can be.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from pathlib import Path

import anyio

from chatbots.realtime.audio import RATE, size_of
from chatbots.terminal.microphone import from_device, from_file
from chatbots.terminal.sound_devices import device_lines
from chatbots.terminal.sound_files import heard_from, spoken_into


async def record(heard: AsyncGenerator[bytes], seconds: float) -> bytes:
    """Return what is heard within so many seconds of sound."""
    pcm = b""
    async with aclosing(heard) as chunks:
        async for chunk in chunks:
            pcm += chunk
            if len(pcm) >= size_of(round(1000 * seconds)):
                break
    return pcm[: size_of(round(1000 * seconds))]


def main(to: str, seconds: str, path: str | None = None) -> None:
    """Record, and write the file."""
    length = float(seconds)
    with ExitStack() as stack:
        heard = [] if path is None else [stack.enter_context(heard_from(Path(path)))]
        output = stack.enter_context(spoken_into(Path(to), heard=heard))
        sound = from_file(heard[0], pace=0) if heard else from_device()
        pcm = anyio.run(record, sound, length)
        output.write(pcm)
        output.close()
    print(f"{to}: {len(pcm) / 2 / RATE:.2f} s")


if __name__ == "__main__":
    if sys.argv[1:] == ["--list-devices"]:
        print(device_lines())
    else:
        main(*sys.argv[1:4])
