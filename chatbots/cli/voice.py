"""`voice`: Ask aloud and be answered aloud, through a microphone and a loudspeaker or files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chatbots.cli.flags import Flags, number, parse_flags
from chatbots.cli.outcome import OK, guarded, say

PURPOSE = "Ask aloud and be answered aloud."


EPILOG = """\
Without --input, --prompt or --text it listens to the microphone, until Ctrl-C.
It speaks through the loudspeaker, which the microphone should not hear: it does not listen
meanwhile, unless there is a --headset. The turns are remembered as those of the other programs,
as far as they were heard. With no key and no base URL this machine itself hears and speaks.
Exit status: 0 answered, 1 failed or nothing was said, 2 wrong usage, 130 Ctrl-C."""


class VoiceFlags(Flags):
    """What the program was told on its command line."""

    input: list[Path] | None
    output: Path | None
    pace: float
    push_to_talk: bool
    headset: bool
    microphone: str | None
    speaker: str | None
    list_devices: bool
    voice: str | None
    language: str | None
    transcript: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    flags = VoiceFlags()
    parse_flags("chatbots voice", PURPOSE, argv, more=_add_sound, into=flags)
    secrets: list[str] = []
    return guarded(lambda: _run(flags, secrets), debug=flags.debug, secrets=secrets)


def _add_sound(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    group = parser.add_argument_group("sound; without files, the devices of this machine")
    add = group.add_argument
    add("--text", action="append", dest="prompt", metavar="TEXT", help="the same as --prompt")
    add(
        "--input",
        action="append",
        type=Path,
        metavar="FILE",
        help="hear this WAV; repeatable, '-' is standard input",
    )
    add("--output", type=Path, metavar="FILE", help="speak into this WAV, '-' is standard output")
    add(
        "--pace",
        type=number(0, 100),
        default=0.0,
        metavar="SECONDS",
        help="that a second of the files takes: with 1 they sound as in life, and an answer can be "
        "spoken into; with 0 (the default) each file is one question",
    )
    add("--push-to-talk", action="store_true", help="press Enter before you speak, and after")
    add("--headset", action="store_true", help="listen while the answer sounds")
    add("--microphone", metavar="DEVICE", help="its number, or a part of its name")
    add("--speaker", metavar="DEVICE", help="the same")
    add("--list-devices", action="store_true", help="show what there is, and leave")
    add("--voice", metavar="NAME", help="whose voice it speaks in")
    add("--language", metavar="CODE", help="what you speak, such as en or de")
    add("--transcript", action="store_true", help="both sides as text on standard output")


def _run(flags: VoiceFlags, secrets: list[str]) -> int:
    if flags.list_devices:
        from chatbots.terminal.sound_devices import device_lines

        say(device_lines())
        return OK
    # Imported here, so that --help and a wrong flag answer at once.
    from chatbots.cli.chat import load_settings
    from chatbots.cli.choose import choose_model
    from chatbots.cli.loop import run
    from chatbots.cli.talking import talk

    settings = load_settings(flags)
    secrets += settings.secrets
    return run(talk, flags, choose_model(settings, speech=True))


if __name__ == "__main__":
    sys.exit(main())
