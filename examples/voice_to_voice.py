"""Voice in, voice out: `python examples/voice_to_voice.py`, with files or with the devices.

voice_to_voice.py question.wav answer.wav    a question in a file, and its answer
voice_to_voice.py                            a microphone and a loudspeaker, until Ctrl-C
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import anyio

from chatbots import Chatbots, ChatError, Speech, TextDelta, UserSaid, VoiceCall
from chatbots.terminal.microphone import from_device, from_file, gated
from chatbots.terminal.sound_devices import opened
from chatbots.terminal.sound_files import heard_from, spoken_into
from chatbots.terminal.speaker import DeviceOutput, FileOutput, Speaker


async def say(call: VoiceCall, sound: AsyncIterator[bytes]) -> None:
    """Say *sound* to its end."""
    await call.hear(sound)
    await call.finish()


async def talk(call: VoiceCall, sound: AsyncIterator[bytes], speaker: Speaker) -> None:
    """Have *sound* heard, and play what is answered; show both as text."""
    speaker.on_played = call.played  # an answer that is spoken into ends where it was heard
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speaker.run)
        tasks.start_soon(say, call, sound)
        async for delta in call.deltas:
            await speaker.take(delta)
            match delta:
                case UserSaid(text=words):
                    print(f"\n> {words}")
                case TextDelta(text):
                    print(text, end="", flush=True)
                case _:
                    pass
        tasks.cancel_scope.cancel()
    print()


async def files(question: IO[bytes], answer: FileOutput) -> None:
    """Answer the question in one file into another."""
    # Nobody detects where a turn ends: the file's end is it.
    async with (
        Chatbots() as bots,
        bots.voice(plays=True, speech=Speech(detection=None)) as call,
    ):
        await talk(call, from_file(question, pace=0), Speaker(answer))
    answer.close()


async def devices() -> None:
    """Talk at this machine; it does not listen while it speaks."""
    with opened("output", None) as (stream, rate):
        speaker = Speaker(DeviceOutput(stream, rate))
        async with Chatbots() as bots, bots.voice(plays=True) as call:
            await talk(call, gated(from_device(), speaker), speaker)


def main() -> None:
    """Talk through what the command line names."""
    if len(sys.argv) == 3:
        question, answer = map(Path, sys.argv[1:])
        with heard_from(question) as said, spoken_into(answer, heard=[said]) as output:
            anyio.run(files, said, output)
    else:
        anyio.run(devices)


if __name__ == "__main__":
    try:
        main()
    except ChatError as error:
        sys.exit(f"error: {error}")
