"""A call from a program: what it hears, what it plays, and what it writes of both."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from typing import IO, Any

import anyio
from anyio.abc import ObjectReceiveStream

from chatbots.app import Chatbots
from chatbots.cli.asking import CUT
from chatbots.cli.flags import Picking
from chatbots.cli.mcp import joined
from chatbots.cli.offer import check_choice, offered, runner_for
from chatbots.cli.outcome import FAILED, OK, complain, tell
from chatbots.cli.realtime import dialer_for
from chatbots.cli.resuming import resume
from chatbots.cli.voice import VoiceFlags
from chatbots.deltas import Delta, Done, Failed
from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.flow.unwrap import unwrapped
from chatbots.interfaces import Source
from chatbots.realtime.events.session import TurnDetection
from chatbots.services.call import VoiceCall
from chatbots.services.speech import Speech
from chatbots.sessions.turn import SPOKEN_INTO
from chatbots.settings import Settings
from chatbots.terminal.console import Console, JsonPaper, Paper
from chatbots.terminal.microphone import from_device, from_file, gated
from chatbots.terminal.sound_devices import opened
from chatbots.terminal.sound_files import heard_from, spoken_into
from chatbots.terminal.speaker import DeviceOutput, Output, Speaker
from chatbots.terminal.streams import read_line, read_whole
from chatbots.terminal.transcript import Transcript


async def talk(flags: VoiceFlags, settings: Settings) -> int:
    """Hold a call as the *flags* say; return the exit status."""
    if flags.image or flags.schema:
        raise InvalidRequest("invalid_request", "A voice takes no --image and no --schema.")
    if str(flags.output) == "-" and (flags.transcript or flags.json):
        raise InvalidRequest(
            "invalid_request", "Standard output takes either the sound or the text of it."
        )
    offer = offered(flags, settings)
    asking: dict[str, Any] = {
        name: getattr(flags, name) for name in (*Picking.__annotations__, "tool_choice")
    }
    with ExitStack() as files:
        heard = [files.enter_context(heard_from(path)) for path in flags.input or ()]
        output = files.enter_context(_output(flags, heard))
        async with (
            joined(flags, offer) as tools,
            Chatbots(settings, dialer=dialer_for(flags, settings)) as bots,
        ):
            check_choice(flags, tools)
            asking["session"] = await resume(bots.store, flags)
            asking["request_id"] = flags.request_id
            asking["tools"] = runner_for(tools, flags)
            asking["on_confirm"] = _yes if flags.yes else None
            if flags.model is not None:
                asking["model"] = flags.model
            bot = bots.voice(plays=True, speech=_speech(flags), **asking)
            talking = Talking(flags, heard, output, settings)
            with unwrapped():
                try:
                    async with bot as call, anyio.create_task_group() as tasks:
                        tasks.start_soon(talking.speaker.run)
                        tasks.start_soon(talking.speak, call)
                        await talking.listen(call)
                        tasks.cancel_scope.cancel()
                except* ConfigurationError as lost:  # microphone and loudspeaker, by one plug
                    raise next(_leaves(lost)) from None
    if talking.status is None:
        tell("error: Nothing was heard that could be answered.")
    return FAILED if talking.status is None else talking.status


class Talking:
    """One call: who speaks in it is a person or files, and so is who hears its answers."""

    def __init__(
        self, flags: VoiceFlags, heard: Sequence[IO[bytes]], output: Output, settings: Settings
    ) -> None:
        self.speaker = Speaker(output)
        self._flags = flags
        self._heard = heard
        self._secrets = settings.secrets
        self.status: int | None = None
        """How the last turn went."""
        paper: Paper = (
            JsonPaper(whole=False)
            if flags.json
            else Transcript(on=flags.transcript, clean=sys.stdout.isatty())
        )
        self._console = Console(
            paper, answers=sys.stdout, remarks=sys.stderr, on_end=self._conclude
        )

    async def listen(self, call: VoiceCall) -> None:
        """Play and write what comes of *call*, to its end."""
        self.speaker.on_played = call.played
        await self._console.consume(_Aloud(call.deltas, self.speaker))
        await self.speaker.silent()

    async def speak(self, call: VoiceCall) -> None:
        """Say all that the flags say; if they say nothing, what is said at this machine."""
        flags = self._flags
        for part in flags.prompt or ():
            call.say(await _read() if part == "-" else part)
            await call.answered()
        for path, file in zip(flags.input or (), self._heard, strict=True):
            try:
                async with aclosing(from_file(file, pace=flags.pace)) as sound:
                    await call.hear(sound)
            except InvalidRequest as error:
                error.message = f"{path}: {error.message}"
                raise
            if not flags.pace:
                await call.answered()
        if not (flags.prompt or flags.input):
            await (self._push_to_talk(call) if flags.push_to_talk else self._converse(call))
        await call.finish()

    async def _converse(self, call: VoiceCall) -> None:
        tell("Listening; Ctrl-C ends it.")
        async with aclosing(from_device(self._flags.microphone)) as heard:
            await call.hear(heard if self._flags.headset else gated(heard, self.speaker))

    async def _push_to_talk(self, call: VoiceCall) -> None:
        while True:
            tell("Press Enter, speak, and press Enter again; Ctrl-D ends it.")
            if not await read_line(sys.stdin):
                return
            await call.interrupt()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._record, call)
                await read_line(sys.stdin)
                tasks.cancel_scope.cancel()
            try:
                await call.commit()
            except InvalidRequest as error:
                tell(str(error))

    async def _record(self, call: VoiceCall) -> None:
        async with aclosing(from_device(self._flags.microphone)) as heard:
            async for pcm in heard:
                await call.send_audio(pcm)

    def _conclude(self, end: Done | Failed) -> None:
        self.status = OK
        if isinstance(end, Failed):
            self.status = FAILED
            if not self._flags.json:
                complain(end.error, debug=self._flags.debug, secrets=self._secrets)
        elif end.state == "incomplete" and end.reason != SPOKEN_INTO:
            self.status = FAILED
            tell(CUT.get(end.reason or "", f"The answer was cut: {end.reason}."))


class _Aloud(ObjectReceiveStream[Delta]):
    """What comes from *source*, played on its way."""

    def __init__(self, source: Source, speaker: Speaker) -> None:
        self._source = source
        self._speaker = speaker

    async def receive(self) -> Delta:
        delta = await self._source.receive()
        await self._speaker.take(delta)
        return delta

    async def aclose(self) -> None:
        await self._source.aclose()


def _speech(flags: VoiceFlags) -> Speech:
    """Return what the flags say of how is spoken."""
    pushed = flags.push_to_talk or (flags.input and not flags.pace)
    detection = None if pushed else TurnDetection()
    return Speech(voice=flags.voice, language=flags.language, detection=detection)


@contextmanager
def _output(flags: VoiceFlags, heard: Iterable[IO[bytes]]) -> Generator[Output]:
    if flags.output is None:
        with opened("output", flags.speaker) as (stream, rate):
            yield DeviceOutput(stream, rate)
        return
    with spoken_into(flags.output, pace=flags.pace, heard=heard) as output:
        whole = not (flags.prompt or flags.input)  # Ctrl-C is how it ends
        try:
            yield output
            whole = True
        finally:
            if whole:
                output.close()


async def _read() -> str:
    # What is no UTF-8 is the bot's to refuse.
    return (await read_whole(sys.stdin)).decode("utf-8", "surrogateescape").strip()


def _leaves(group: BaseExceptionGroup[ConfigurationError]) -> Iterator[ConfigurationError]:
    for error in group.exceptions:
        yield from _leaves(error) if isinstance(error, BaseExceptionGroup) else (error,)


def _yes(*_: object) -> bool:
    return True
