"""`voice` and its examples through PortAudio itself, on devices that ALSA makes of files."""

from __future__ import annotations

import base64
import signal
import sys
import time
from pathlib import Path

import pytest

from chatbots.realtime.audio import size_of
from chatbots.realtime.playback import PCM_PER_MS
from chatbots.testing.realtime.sounds import spoken
from tests.cli.running import CTRL_C, PATIENCE, Ran, Upstream, ended, process, terminal
from tests.cli.test_talking import SPEECH

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only ALSA makes devices of files"),
]

DEVICES = """
pcm.mouth {{ type file slave.pcm null file "{folder}/mouth" format raw }}
pcm.ear {{ type file slave.pcm null file /dev/null infile "{folder}/ear" format raw }}
"""
"""What is played goes to the file `mouth`; what is heard comes from `ear`, without end."""

VOICE = ("-m", "chatbots", "voice", "--transcript", "--microphone", "ear", "--speaker", "mouth")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ear").write_bytes(SPEECH + bytes(size_of(1000)))
    (tmp_path / ".asoundrc").write_text(DEVICES.format(folder=tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(*command: str) -> Ran:
    with process(*command) as child:
        return ended(child)


def test_what_is_said_into_the_microphone_is_answered_by_the_loudspeaker(
    upstream: Upstream, home: Path
) -> None:
    devices = run("-m", "chatbots", "voice", "--list-devices").out
    assert " mouth, ALSA (" in devices
    assert " ear, ALSA (" in devices
    upstream.hear("Hello?")
    upstream.answer("Hi there.")
    tone = spoken("Hi there.", PCM_PER_MS).strip(b"\0")
    with process(*VOICE) as child:
        until = time.monotonic() + PATIENCE
        # ALSA keeps the end of a file to itself until the device is closed.
        while len(played(home)) < len(tone) // 2 and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        ran = ended(child)
    assert (ran.status, ran.out.rstrip()) == (130, "> Hello?\nHi there.")
    assert ran.err.startswith("chatbots: Listening; Ctrl-C ends it.\n")
    assert tone.startswith(played(home))
    assert len(played(home)) >= len(tone) // 2
    heard = [base64.b64decode(e["audio"]) for e in upstream.talks[0].received if "audio" in e]
    assert b"".join(heard).startswith(SPEECH)


def played(home: Path) -> bytes:
    """Return what was played, from its first sound to its last."""
    mouth = home / "mouth"
    return mouth.read_bytes().strip(b"\0") if mouth.exists() else b""


def test_who_pushes_to_talk_is_let_go_while_they_speak(upstream: Upstream, home: Path) -> None:
    upstream.hear("Hello?")
    upstream.answer("Hi there.")
    with terminal(*VOICE, "--push-to-talk", editor="readline") as screen:
        screen.wait_for("Press Enter")
        screen.press("\r")
        upstream.until(lambda: upstream.talked().count("input_audio_buffer.append") > 10)
        screen.press("\r")
        screen.wait_for("Press Enter")
        screen.wait_for("Hi there.")
        screen.press("\r")
        upstream.until(lambda: upstream.talked()[-1] == "input_audio_buffer.append")
        screen.press(CTRL_C)
        assert screen.end().status == 130


def test_a_device_that_is_not_there_is_told_in_one_line(upstream: Upstream, home: Path) -> None:
    (home / "ear").unlink()
    ran = run(*VOICE)
    assert ran.status == 1
    (line,) = [line for line in ran.err.splitlines() if line.startswith("chatbots: error")]
    assert "There was an error opening the microphone 'ear'" in line
