from __future__ import annotations

import msgspec
import pytest

from chatbots.realtime.events.session import Session, TurnDetection
from chatbots.services.speech import Speech


def told(speech: Speech, config: Session | None = None) -> object:
    return msgspec.json.decode(msgspec.json.encode(speech.told(config or Session())))


@pytest.mark.checklist(25, 51, 77, 139)
def test_a_session_is_told_how_to_hear_and_to_speak() -> None:
    detection = TurnDetection(threshold=0.5, prefix_padding_ms=300, silence_duration_ms=200)
    speech = Speech(
        voice="marin", speed=1.2, transcriber="whisper-1", language="en", detection=detection,
        noise="far_field",
    )  # fmt: skip
    assert told(speech, Session(instructions="Be brief.")) == {
        "instructions": "Be brief.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "noise_reduction": {"type": "far_field"},
                "transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {
                    "type": "server_vad",
                    "create_response": False,
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 200,
                },
            },
            "output": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "voice": "marin",
                "speed": 1.2,
            },
        },
    }


@pytest.mark.checklist(29, 55)
def test_what_is_not_said_is_the_servers_and_no_detection_is_said() -> None:
    pcm = {"type": "audio/pcm", "rate": 24_000}
    said = Speech(detection=None)
    assert told(said.by_default(voice=None, transcriber="whisper-1")) == {
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": pcm,
                "transcription": {"model": "whisper-1"},
                "turn_detection": None,
            },
            "output": {"format": pcm},
        },
    }


def test_what_is_said_is_not_as_by_default() -> None:
    said = Speech(voice="marin", transcriber="whisper-1", speed=1.2)
    assert said.by_default(voice="cedar", transcriber="other") == said
    filled = Speech(speed=1.2).by_default(voice="cedar", transcriber="other")
    assert (filled.voice, filled.transcriber, filled.speed) == ("cedar", "other", 1.2)
