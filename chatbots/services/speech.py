"""How a voice bot speaks and hears, and what a realtime session is told of that."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from chatbots.realtime.audio import RATE
from chatbots.realtime.conversion import Kind
from chatbots.realtime.events.session import (
    Audio,
    AudioFormat,
    AudioInput,
    AudioOutput,
    NoiseReduction,
    Session,
    Transcription,
    TurnDetection,
)

_PCM: Final = AudioFormat(type="audio/pcm", rate=RATE)


class Speech(Struct, frozen=True, kw_only=True):
    """How is spoken: in a `voice`, at a `speed` of 0.25 to 1.5; and how is heard.

    `transcriber` is the model that writes down what the user says, in `language` (ISO 639-1).
    What is None is as the settings say, or else the server.
    `detection` finds where the user's turn ends; None: whoever sends the audio says it.
    `noise` is `near_field` (a headset) or `far_field` (a room).
    `audio` is what a call takes and gives, one of `AUDIO_FORMATS`, of `rate` Hz: by default 24,000,
    and 8,000 for G.711 (`audio/pcmu`, `audio/pcma`). A session hears and says 24,000.
    """

    voice: str | None = None
    speed: float | None = None
    transcriber: str | None = None
    language: str | None = None
    detection: TurnDetection | None = TurnDetection()
    noise: str | None = None
    audio: str = "audio/pcm"
    rate: int | None = None

    @property
    def kind(self) -> Kind:
        """What a call takes and gives; raises `InvalidRequest` for what is no kind of sound."""
        return Kind.of(self.audio, self.rate)

    def by_default(self, *, voice: str | None, transcriber: str) -> Speech:
        """Return it with what it does not say itself."""
        said = self.transcriber or transcriber
        return replace(self, voice=self.voice or voice, transcriber=said)

    def told(self, config: Session) -> Session:
        """Return *config* as it is told to a session that speaks."""
        detection = self.detection
        if detection is not None:
            # A turn is kept before it is answered: the answer is ours to ask for.
            detection = replace(detection, create_response=False)
        heard = AudioInput(
            format=_PCM,
            transcription=Transcription(
                model=self.transcriber or UNSET, language=self.language or UNSET
            ),
            turn_detection=detection,
            noise_reduction=NoiseReduction(type=self.noise) if self.noise else UNSET,
        )
        said = AudioOutput(format=_PCM, voice=self.voice or UNSET, speed=self.speed or UNSET)
        return replace(config, output_modalities=("audio",), audio=Audio(input=heard, output=said))
