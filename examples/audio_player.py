"""Play a WAV file: `python examples/audio_player.py sound.wav [other.wav]`.

With a second file, that is the loudspeaker: the sound is written there, at 24 kHz.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import anyio

from chatbots.terminal.microphone import from_file
from chatbots.terminal.sound_devices import opened
from chatbots.terminal.sound_files import heard_from, spoken_into
from chatbots.terminal.speaker import DeviceOutput, Output, Speaker


async def play(name: str, file: IO[bytes], output: Output) -> None:
    """Play the file, and say how far it is."""
    speaker = Speaker(output)
    speaker.on_played = lambda name, ms: print(f"\r{name}: {ms / 1000:.2f} s", end="", flush=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speaker.run)
        async for pcm in from_file(file, pace=0):
            await speaker.play(name, pcm)
        speaker.end()
        await speaker.silent()
        tasks.cancel_scope.cancel()
    print()


def main(path: str, to: str | None = None) -> None:
    """Open what it is played on."""
    with heard_from(Path(path)) as file:
        if to is None:
            with opened("output", None) as (stream, rate):
                anyio.run(play, path, file, DeviceOutput(stream, rate))
        else:
            with spoken_into(Path(to), heard=[file]) as output:
                anyio.run(play, path, file, output)
                output.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
