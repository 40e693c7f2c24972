"""A call with a microphone and a loudspeaker that are not there, and with files for them."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import TextIO

import anyio
import pytest

from chatbots.cli import talking
from chatbots.errors import ConfigurationError
from chatbots.realtime.audio import RATE, size_of
from chatbots.realtime.wav import HEADER_SIZE, WavReader, header
from chatbots.terminal.speaker import Speaker
from tests.cli.conftest import Runner
from tests.cli.running import Upstream, ended, environment_with, process
from tests.terminal.sounding import SoundLibrary

MS_PER_CHAR = 50
SPEECH = struct.pack("<24000h", *[12_000 if n // 30 % 2 else -12_000 for n in range(24_000)])
CHUNK = SPEECH[:1920]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SoundLibrary:
    monkeypatch.setitem(sys.modules, "sounddevice", library := SoundLibrary(24_000))
    return library


def microphone(*chunks: bytes) -> Callable[[str | None], AsyncGenerator[bytes]]:
    async def from_device(device: str | None) -> AsyncGenerator[bytes]:
        assert device == "USB"
        for chunk in chunks:
            yield chunk
            await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.05)

    return from_device


def pushed(
    monkeypatch: pytest.MonkeyPatch, goes_on: Callable[[], bool], *spoken: Sequence[bytes]
) -> None:
    """Press Enter, speak, and press Enter again, for each of *spoken*; then Ctrl-D.

    Before the second one it is waited until the answer to the first *goes_on*.
    """
    sounds, said = iter(spoken), list[bytes]()

    async def from_device(device: str | None) -> AsyncGenerator[bytes]:
        for chunk in next(sounds):
            yield chunk
        said.append(b"all")
        await anyio.sleep_forever()

    keys = iter([*range(2 * len(spoken)), None])

    async def read_line(_: TextIO) -> str:
        await anyio.sleep(0.02)
        key = next(keys)
        ready = goes_on if key == 2 else lambda: key is None or len(said) >= (key + 1) // 2
        while not ready():  # noqa: ASYNC110 - a condition has no event
            await anyio.sleep(0.001)
        return "" if key is None else "\n"

    monkeypatch.setattr(talking, "from_device", from_device)
    monkeypatch.setattr(talking, "read_line", read_line)


@pytest.mark.parametrize("headset", [[], ["--headset"]])
def test_what_is_said_at_the_machine_is_answered_there(
    upstream: Upstream,
    run: Runner,
    library: SoundLibrary,
    monkeypatch: pytest.MonkeyPatch,
    headset: list[str],
) -> None:
    spoken = [*[CHUNK] * 20, *[bytes(size_of(40))] * 20]

    async def from_device(device: str) -> AsyncGenerator[bytes]:
        async for chunk in microphone(*spoken)(device):
            yield chunk
        while sum(map(len, library.streams[0].written)) < size_of(150):  # noqa: ASYNC110
            await anyio.sleep(0.001)
        async for chunk in microphone(*spoken)(device):
            yield chunk

    monkeypatch.setattr(talking, "from_device", from_device)
    upstream.hear("Hello?", "It hears itself.")
    upstream.answer("Hi.")
    ran = run("voice", "--transcript", "--microphone", "USB", "--speaker", "2", *headset)
    more = "> It hears itself.\nIt hears itself.\n" if headset else ""
    assert ran == (0, f"> Hello?\nHi.\n{more}", "chatbots: Listening; Ctrl-C ends it.\n")
    (stream,) = library.streams
    assert stream.asked["device"] == 2
    assert len(b"".join(stream.written)) == size_of(950 if headset else 150)
    assert not stream.open


def test_microphone_and_loudspeaker_that_are_unplugged_are_told_in_one_line(
    upstream: Upstream, run: Runner, library: SoundLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = anyio.Event()

    async def from_device(_: str) -> AsyncGenerator[bytes]:
        for chunk in [*[CHUNK] * 20, *[bytes(size_of(40))] * 20]:
            yield chunk
        await lost.wait()
        raise ConfigurationError("sound_unavailable", "The microphone is gone.")

    async def unplugged(speaker: Speaker, item: str, pcm: bytes) -> None:
        try:
            await lost.wait()
        finally:  # as a thread does that has begun to write
            raise ConfigurationError("sound_unavailable", "The loudspeaker is gone.")

    async def play(speaker: Speaker, item: str, pcm: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        lost.set()
        speaker._queue.add(item, pcm)
        speaker._tell()

    monkeypatch.setattr(talking, "from_device", from_device)
    monkeypatch.setattr(Speaker, "_sound", unplugged)
    monkeypatch.setattr(Speaker, "play", play)
    upstream.hear("Hello?")
    upstream.answer("Hi there.")
    ran = run("voice", "--microphone", "USB")
    assert ran.status == 1
    error = ran.err.splitlines()[-1]
    assert error.startswith("chatbots: error: The ")
    assert error.endswith(" is gone.")


def test_who_pushes_to_talk_is_heard_between_two_enters(
    upstream: Upstream, run: Runner, library: SoundLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(
        monkeypatch,
        lambda: sum(map(len, library.streams[0].written)) >= size_of(150),  # all of the answer
        [CHUNK] * 5,
        [CHUNK],
    )
    upstream.hear("Hello?")
    upstream.answer("Hi.")
    ran = run("voice", "--push-to-talk", "--transcript", "--microphone", "USB")
    assert (ran.status, ran.out) == (0, "> Hello?\nHi.\n")
    push = "chatbots: Press Enter, speak, and press Enter again; Ctrl-D ends it.\n"
    assert ran.err.count(push) == 3
    assert "40 ms of audio to commit; a message has 100 ms or more" in ran.err


def test_who_pushes_to_talk_interrupts_the_answer(
    upstream: Upstream, run: Runner, library: SoundLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(monkeypatch, lambda: bool(library.streams[0].written), [CHUNK] * 5, [CHUNK] * 5)
    upstream.hear("Hello?", "Stop.")
    upstream.begin("Once upon a time there was ")
    upstream.answer("Well.")
    ran = run("voice", "--push-to-talk", "--transcript", "--session", "ada")
    assert (ran.status, ran.out.splitlines()[-2:]) == (0, ["> Stop.", "Well."])
    assert "incomplete (interrupted)" in run("sessions", "show", "ada").out


# Files


def lasts(path: str) -> float:
    reader = WavReader()
    return len(reader.push(Path(path).read_bytes())) / 48  # ms


@pytest.fixture
def answer(tmp_path: Path) -> str:
    return str(tmp_path / "answer.wav")


def spoken(path: str) -> int:
    """Return the size of what is to take the place of *path*."""
    return sum(one.stat().st_size for one in Path(path).parent.glob(".answer.wav.*"))


def wav(path: Path, *pieces: bytes) -> str:
    pcm = b"".join(pieces)
    path.write_bytes(header(RATE, len(pcm)) + pcm)
    return str(path)


@pytest.mark.checklist(124)
def test_a_file_is_heard_as_one_question_and_all_programs_know_it(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    question = wav(tmp_path / "question.wav", SPEECH)
    upstream.hear("I am Ada.")
    upstream.answer("Hello Ada.")
    ran = run("voice", "--input", question, "--output", answer, "--session", "ada")
    assert ran == (0, "", "")
    assert lasts(answer) == 10 * MS_PER_CHAR
    upstream.answer("Ada.")
    assert run("memory", "--continue", "--prompt", "Who am I?").out == "Ada.\n"
    assert upstream.said(2) == [
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]


def test_a_conversation_goes_on_from_one_program_to_the_other_and_back(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    question = wav(tmp_path / "question.wav", SPEECH)
    voice = ["voice", "--output", answer, "--transcript"]
    for said in ("Hello Ada.", "Noted.", "Ada, and 7."):
        upstream.answer(said)
    upstream.hear("I am Ada.", "What do you know?")
    assert run(*voice, "--input", question, "--session", "ada").status == 0
    assert run("memory", "--continue", "--prompt", "The number is 7.").status == 0
    ran = run(*voice, "--input", question, "--continue")
    assert ran == (
        0,
        "> What do you know?\nAda, and 7.\n",
        "chatbots: This goes on with ada.\n",
    )
    told = [e["item"] for e in upstream.talks[-1].received if e["type"].endswith("item.create")]
    assert [item["content"][0]["text"] for item in told] == [
        "I am Ada.", "Hello Ada.", "The number is 7.", "Noted.",
    ]  # fmt: skip
    assert run("sessions", "show", "ada").out.count("Ada, and 7.") == 1


@pytest.mark.checklist(124)
def test_an_answer_that_is_spoken_into_is_what_was_heard_of_it(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    pause = bytes(size_of(1200))
    talk = wav(tmp_path / "talk.wav", SPEECH[:24_000], pause, SPEECH[:24_000], pause[:33_600])
    story = "Once upon a time there was a river that never ended, and it went on and on."
    flags = ["--input", talk, "--output", answer, "--pace", "0.5", "--transcript"]
    for session in ("ada", "bob", "eve"):  # where the machine stands still, all of it may be heard
        upstream.hear("Tell me a story.", "Stop.")
        upstream.answer(story)
        upstream.answer("Well.")
        ran = run("voice", *flags, "--session", session)
        assert ran == (0, f"> Tell me a story.\n{story}\n> Stop.\nWell.\n", "")
        upstream.answer("A river.")
        assert run("memory", "--continue", "--prompt", "What was it about?").status == 0
        heard = upstream.said(len(upstream.calls))[1][1]
        assert story.startswith(heard)
        if heard != story:
            break
    assert 0 < len(heard) < len(story)
    assert story[len(heard)] == " " or heard.endswith(" ")
    sounded = lasts(answer) - len("Well.") * MS_PER_CHAR
    assert len(heard) * MS_PER_CHAR < sounded + MS_PER_CHAR


def test_json_has_what_was_said_and_no_sound(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    upstream.hear("Hi?")
    upstream.answer("Yes.")
    flags = ["--input", wav(tmp_path / "q.wav", SPEECH), "--output", answer, "--json"]
    lines = [json.loads(line) for line in run("voice", *flags).out.splitlines()]
    assert [line["type"] for line in lines[:2]] == ["user_said", "text"]
    assert lines[0]["text"] == "Hi?"
    assert lines[-1]["state"] == "completed"
    assert {line["type"] for line in lines} == {"user_said", "text", "done"}


def test_with_debug_the_frames_are_shown_without_the_sound(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    question = wav(tmp_path / "q.wav", SPEECH)
    ran = run("voice", "--input", question, "--output", answer, "--debug")
    assert "input_audio_buffer.append" in ran.err
    assert len(ran.err) < 100_000


def test_what_fails_is_told(upstream: Upstream, run: Runner, answer: str) -> None:
    upstream.answer(status=500)
    ran = run("voice", "--text", "Hi", "--output", answer)
    assert ran.status == 1
    assert ran.err.startswith("chatbots: error: ")
    upstream.answer("Cut", finish_reason="length")
    ran = run("voice", "--text", "Hi", "--output", answer)
    assert (ran.status, ran.err) == (1, "chatbots: The answer was cut at the length limit.\n")


def test_a_question_comes_from_standard_input_and_is_asked_once(
    upstream: Upstream, run: Runner, answer: str
) -> None:
    upstream.answer("Hello.")
    flags = ["--text", "-", "--output", answer, "--transcript", "--request-id", "r1"]
    for _ in range(2):
        ran = run("voice", *flags, given=b"Hi\n")
        assert (ran.status, ran.out) == (0, "> Hi\nHello.\n")
    assert ran.err == "chatbots: This request was answered before; here it is again.\n"


@pytest.mark.parametrize("old", [b"", b"as it was"])
def test_ctrl_c_ends_it_and_what_was_heard_is_kept_but_for_no_other_file(
    upstream: Upstream, run: Runner, answer: str, old: bytes
) -> None:
    upstream.begin("Once upon a time ", "there was ")
    flags = ["--text", "Tell me.", "--output", answer, "--session", "ada"]
    if old:
        Path(answer).write_bytes(old)

    def press() -> None:
        while spoken(answer) < 30_000:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    (person := threading.Thread(target=press)).start()
    assert run("voice", *flags).status == 130
    person.join()
    shown = run("sessions", "show", "ada").out
    assert "cancelled" in shown
    assert "Once upon" in shown
    assert spoken(answer) == 0
    assert Path(answer).read_bytes() == old if old else lasts(answer) > 500


def test_who_talks_until_ctrl_c_has_what_was_said_in_the_file(
    upstream: Upstream, run: Runner, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(answer).write_bytes(b"as it was")

    async def from_device(_: str | None) -> AsyncGenerator[bytes]:
        for chunk in [*[CHUNK] * 20, *[bytes(size_of(40))] * 20]:
            yield chunk
        while spoken(answer) < 30_000:  # noqa: ASYNC110
            await anyio.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr(talking, "from_device", from_device)
    upstream.hear("Hello?")
    upstream.answer("Once upon a time there was a river.")
    assert run("voice", "--output", answer).status == 130
    assert lasts(answer) > 500


def test_one_question_is_answered_before_the_next(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    for word in ("A.", "B.", "C.", "D."):
        upstream.answer(word)
    upstream.hear("Three", "Four")
    question = wav(tmp_path / "q.wav", SPEECH)
    flags = ["--text", "One", "--text", "Two", "--input", question, "--input", question]
    ran = run("voice", *flags, "--output", answer, "--transcript")
    assert ran == (0, "> One\nA.\n> Two\nB.\n> Three\nC.\n> Four\nD.\n", "")
    heard = [kind for kind in upstream.talked() if kind.endswith((".commit", "response.create"))]
    commit, create = "input_audio_buffer.commit", "response.create"
    assert heard == [create, create, commit, create, commit, create]


def test_where_nothing_is_heard_it_says_so(
    upstream: Upstream, run: Runner, answer: str, tmp_path: Path
) -> None:
    upstream.hear(" ")
    ran = run("voice", "--input", wav(tmp_path / "noise.wav", SPEECH), "--output", answer)
    assert ran.status == 1
    assert ran.err == "chatbots: error: Nothing was heard that could be answered.\n"


def stereo(path: str, *, bits: int, tag: int = 1, pcm: bytes) -> None:
    """Write a WAV of 44.1 kHz and two channels, whose header says that it is longer than it is."""
    frame = 2 * bits // 8
    told = struct.pack("<HHIIHH", tag, 2, 44_100, 44_100 * frame, frame, bits)
    Path(path).write_bytes(
        b"RIFF" + struct.pack("<I", 1 << 30) + b"WAVEfmt " + struct.pack("<I", 16) + told
        + b"data" + struct.pack("<I", 1 << 30) + pcm
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["24 bits", "floats"])
def test_a_file_of_any_kind_is_heard_and_its_header_may_lie(
    upstream: Upstream, run: Runner, answer: str, kind: str
) -> None:
    left = [0.4 if n // 50 % 2 else -0.4 for n in range(44_100)]
    if kind == "floats":
        pcm = struct.pack("<88200f", *[side for s in left for side in (s, 0.0)])
        stereo("q.wav", bits=32, tag=3, pcm=pcm)
    else:
        pcm = b"".join(
            int(s * (1 << 23)).to_bytes(3, "little", signed=True) + bytes(3) for s in left
        )
        stereo("q.wav", bits=24, pcm=pcm + b"\1")
    upstream.hear("Hello?")
    upstream.answer("Hi.")
    ran = run("voice", "--input", "q.wav", "--output", answer, "--transcript")
    assert ran == (0, "> Hello?\nHi.\n", "")
    sent = [event["audio"] for event in upstream.talks[-1].received if "audio" in event]
    heard = b"".join(b64decode(audio) for audio in sent)
    assert abs(len(heard) - size_of(1000)) <= size_of(1)
    assert 5_500 < max(struct.unpack(f"<{len(heard) // 2}h", heard)) < 8_000  # half of 0.4


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--input", "none.wav"], "'none.wav' cannot be read: No such file"),
        (["--input", "both.wav", "--output", "both.wav"], "'both.wav' is heard: it cannot be spo"),
        (["--input", "empty.wav"], "empty.wav: This is no WAV: it ends before its sound begins"),
        (["--input", "silent.wav"], "silent.wav: There are 0 ms of audio to commit"),
        (["--input", "song.mp3"], "song.mp3: This is no WAV: it does not begin as one"),
        (["--input", "."], "'.' cannot be read: Is a directory"),
        (["--output", "no/such/folder.wav"], "cannot be written: No such file"),
        (["--output", ".", "--text", "Hi"], "'.' cannot be written: Is a directory"),
        (["--output", "/dev/full", "--text", "Hi"], "cannot be written: No space left"),
        (["--output", "-", "--text", "Hi", "--json"], "either the sound or the text"),
        (["--schema", "s.json"], "no --image and no --schema"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_no_file_is_lost(
    upstream: Upstream, run: Runner, answer: str, argv: list[str], why: str
) -> None:
    wav(Path("both.wav"), SPEECH)
    wav(Path("silent.wav"))
    Path("empty.wav").touch()
    Path("song.mp3").write_bytes(b"ID3\4" + bytes(2000))
    Path(answer).write_bytes(b"as it was")
    before = Path("both.wav").read_bytes()
    upstream.answer("Hi.")
    ran = run("voice", "--output", answer, *argv)
    assert ran.status == 1
    assert why in ran.err
    assert ran.err.count("\n") == 1
    assert Path("both.wav").read_bytes() == before
    assert Path(answer).read_bytes() == b"as it was"


def test_a_reader_who_leaves_ends_it_as_a_shell_expects(upstream: Upstream, tmp_path: Path) -> None:
    for flags in (["--output", str(tmp_path / "a.wav"), "--transcript"], ["--output", "-"]):
        upstream.answer("Once upon a time there was a river that never ended. " * 20)
        with process("-m", "chatbots", "voice", "--text", "Hi", *flags) as child:
            assert child.stdout is not None
            child.stdout.close()
            child.stdout = None
            assert ended(child) == (141, "", "")


def test_a_pipe_carries_the_sound_both_ways(upstream: Upstream, tmp_path: Path) -> None:
    upstream.hear("Hello?")
    upstream.answer("Hi.")
    wav(tmp_path / "q.wav", SPEECH)
    ran = subprocess.run(
        [sys.executable, "-m", "chatbots", "voice", "--input", "-", "--output", "-"],
        input=(tmp_path / "q.wav").read_bytes(),
        env=environment_with(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert len(ran.stdout) == HEADER_SIZE + size_of(3 * MS_PER_CHAR)
    assert WavReader().push(ran.stdout) == ran.stdout[HEADER_SIZE:]
    assert ran.stderr == b""
