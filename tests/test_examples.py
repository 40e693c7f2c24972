"""The examples run."""

from __future__ import annotations

import io
import runpy
import struct
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatbots.errors import InvalidRequest
from chatbots.realtime.audio import RATE, size_of
from chatbots.realtime.wav import header
from chatbots.testing.threaded import FakeOpenAIThread
from tests.pages import Program
from tests.terminal.sounding import PortAudioError, SoundLibrary, Stream

ROOT = Path(__file__).parent.parent
Example = Callable[..., str]


@pytest.mark.checklist(188)
def test_a_bot_of_ones_own_shouts_the_answer_of_another(
    run_program: Program, fake_openai: FakeOpenAIThread
) -> None:
    fake_openai.answer("It flows.")
    assert run_program(ROOT / "examples" / "own_bot.py", "What is a river?") == "IT FLOWS.\n"
    said = fake_openai.calls[0].json["messages"]
    assert [message["content"] for message in said] == [
        "Answer in one sentence.",
        "What is a river?",
    ]


@pytest.fixture
def example(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fake_openai: FakeOpenAIThread,
    tmp_path: Path,
) -> Example:
    """Run an example as a program, in this process; return what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)

    def run(name: str, *argv: str, given: str = "") -> str:
        typed = tmp_path / "typed"
        typed.write_text(given, "utf-8")
        path = str(ROOT / "examples" / f"{name}.py")
        with monkeypatch.context() as patch, typed.open(encoding="utf-8") as stdin:
            patch.setattr(sys, "argv", [path, *argv])
            patch.setattr(sys, "stdin", stdin)
            runpy.run_path(path, run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.checklist(39)
def test_the_quick_start_wants_a_key(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SystemExit, match=r"^OPENAI_API_KEY environment variable is required$"):
        example("realtime_quick_start")


@pytest.mark.checklist(44, 46, 47)
def test_the_quick_start_is_answered_and_ends(
    example: Example, monkeypatch: pytest.MonkeyPatch, fake_openai: FakeOpenAIThread
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")
    fake_openai.answer("It is a socket.")
    assert example("realtime_quick_start") == "Response:\nIt is a socket.\nResponse complete\n"


@pytest.mark.checklist(122)
def test_a_text_chat_goes_on_until_quit(example: Example, fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer("Hello Ada.")
    out = example("realtime_chat", given="I am Ada.\nWho am I?\nexit\nNever asked.\n")
    assert out == "Hello Ada.\nWho am I?\n"


@pytest.mark.checklist(136, 137, 138)
def test_the_pattern_of_the_references_handlers_works(
    example: Example, fake_openai: FakeOpenAIThread
) -> None:
    fake_openai.answer(["It ", "flows."])
    out = example("realtime_handlers", "What is a river?")
    assert out == "It flows.\nFull response: It flows.\nended: None\n"


@pytest.mark.checklist(28)
def test_a_function_is_called_on_the_way(example: Example, fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer(tool_calls=[("get_weather", {"location": "Paris"})])
    fake_openai.answer("Mild.")
    assert example("realtime_tools") == '[get_weather({"location":"Paris"})]\nMild.'


@pytest.mark.checklist(143, 144)
def test_a_transport_of_ones_own_carries_a_conversation(
    example: Example, fake_openai: FakeOpenAIThread
) -> None:
    fake_openai.answer("It flows.")
    assert example("own_transport", "What is a river?") == "It flows.\n"


@pytest.mark.checklist(69)
@pytest.mark.parametrize("version", ["2024-10-01-preview", ""])
def test_azure_is_asked_by_its_deployment(
    example: Example, monkeypatch: pytest.MonkeyPatch, fake_openai: FakeOpenAIThread, version: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", fake_openai.base_url.removesuffix("/v1"))
    monkeypatch.setenv("AZURE_ENTRA_TOKEN", "canary")
    if version:
        monkeypatch.setenv("OPENAI_API_VERSION", version)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "canary")
    fake_openai.answer("It flows.")
    assert example("realtime_azure", "mine", "What is a river?") == "It flows.\n"
    call = fake_openai.calls[0]
    assert call.headers["api-key" if version else "authorization"].endswith("canary")
    assert ("deployment=mine" if version else "model=mine") in call.target


@pytest.mark.checklist(57, 68)
def test_everything_at_once_sees_every_event_of_the_reference(example: Example) -> None:
    lines = example("comprehensive").splitlines()
    assert lines[:4] == [
        "reference: 28/28 server events came",
        "reference: 9/9 client events were sent",
        "GA: 30/46 server events came",
        "GA: 10/11 client events were sent",
    ]


# Voice, with files for devices


def sound(path: Path, ms: int) -> bytes:
    pcm = b"".join(struct.pack("<h", 9000 if n // 30 % 2 else -9000) for n in range(24 * ms))
    path.write_bytes(header(RATE, len(pcm)) + pcm)
    return pcm


@pytest.mark.checklist(123)
def test_text_is_answered_by_voice(
    example: Example, fake_openai: FakeOpenAIThread, tmp_path: Path
) -> None:
    fake_openai.answer("It flows.")
    assert example("voice_from_text", "What is a river?", "answer.wav") == "It flows.\n"
    with wave.open(str(tmp_path / "answer.wav")) as heard:
        assert heard.getnframes() == 9 * 50 * RATE // 1000


@pytest.mark.checklist(124)
def test_voice_is_answered_by_voice(
    example: Example, fake_openai: FakeOpenAIThread, tmp_path: Path
) -> None:
    sound(tmp_path / "question.wav", 500)
    fake_openai.hear("What is a river?")
    fake_openai.answer("It flows.")
    out = example("voice_to_voice", "question.wav", "answer.wav")
    assert out == "\n> What is a river?\nIt flows.\n"
    with wave.open(str(tmp_path / "answer.wav")) as heard:
        assert heard.getnframes() == 9 * 50 * RATE // 1000


class Talker(SoundLibrary):
    """A room where one question is asked and echoes; unplugged when the answer has sounded."""

    def RawInputStream(self, **asked: Any) -> Stream:  # noqa: N802 - sounddevice's
        stream = super().RawInputStream(**asked)
        question = io.BytesIO(b"\0\x20" * RATE)
        silence = io.BytesIO(bytes(2 * RATE))

        def read(frames: int) -> tuple[memoryview, bool]:
            stream.seconds_read += frames / RATE
            sounded = sum(map(len, self.streams[0].written))
            if sounded >= size_of(9 * 50) or stream.seconds_read > 30:
                raise PortAudioError("Unplugged")
            heard = question.read(2 * frames) or silence.read(2 * frames)
            return memoryview(b"\0\x20" * frames if sounded else heard), False

        stream.read = read  # type: ignore[method-assign]
        return stream


@pytest.mark.checklist(124)
def test_voice_at_the_devices_is_answered_there_and_does_not_hear_itself(
    example: Example,
    fake_openai: FakeOpenAIThread,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", library := Talker(RATE))
    fake_openai.hear("What is a river?", "It flows.")
    fake_openai.answer("It flows.")
    with pytest.raises(SystemExit, match=r"^error: .* listening to the microphone: Unplugged"):
        example("voice_to_voice")
    assert capsys.readouterr().out == "\n> What is a river?\nIt flows."
    assert sum(map(len, library.streams[0].written)) == size_of(9 * 50)


def test_what_is_heard_is_not_overwritten(example: Example, tmp_path: Path) -> None:
    sound(path := tmp_path / "q.wav", 500)
    before = path.read_bytes()
    with pytest.raises(
        SystemExit, match=r"^error: The sound 'q.wav' is heard: it cannot be spoken"
    ):
        example("voice_to_voice", "q.wav", "q.wav")
    for name, *more in (("audio_player", "q.wav"), ("audio_recorder", "1", "q.wav")):
        with pytest.raises(InvalidRequest, match="cannot be spoken into"):
            example(name, "q.wav", *more)
    with pytest.raises(SystemExit, match=r"'none.wav' cannot be read"):
        example("voice_to_voice", "none.wav", "q.wav")
    assert path.read_bytes() == before


@pytest.mark.checklist(125)
def test_a_file_is_played(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = sound(tmp_path / "sound.wav", 500)
    assert example("audio_player", "sound.wav", "heard.wav").endswith("sound.wav: 0.50 s\n")
    assert (tmp_path / "heard.wav").read_bytes() == header(RATE, len(pcm)) + pcm
    monkeypatch.setitem(sys.modules, "sounddevice", library := SoundLibrary(RATE))
    assert example("audio_player", "sound.wav").endswith("sound.wav: 0.50 s\n")
    assert b"".join(library.streams[0].written) == pcm


@pytest.mark.checklist(126)
def test_sound_is_recorded_and_devices_are_listed(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = sound(tmp_path / "in.wav", 500)
    assert example("audio_recorder", "out.wav", "0.25", "in.wav") == "out.wav: 0.25 s\n"
    assert (tmp_path / "out.wav").read_bytes() == header(RATE, 12_000) + pcm[:12_000]
    monkeypatch.setitem(sys.modules, "sounddevice", SoundLibrary(RATE))
    assert example("audio_recorder", "out.wav", "0.25") == "out.wav: 0.25 s\n"
    assert (tmp_path / "out.wav").read_bytes() == header(RATE, 12_000) + b"\x01\x02" * 6_000
    assert example("audio_recorder", "--list-devices") == "> 0 Headset, ALSA (1 in, 2 out)\n"
