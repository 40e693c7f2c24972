"""The microphones and loudspeakers of this machine, through PortAudio."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

from chatbots.errors import ConfigurationError
from chatbots.realtime.audio import RATE
from chatbots.version import installing

Way: TypeAlias = Literal["input", "output"]

POLL: Final = 0.005
"""Seconds between two looks at a device: one that stands still must not stop Ctrl-C as well."""

LATENCY: Final = 0.05
"""Seconds of sound that a device holds: what still sounds when an answer is dropped."""

_USE_FILES: Final = "Or use files in their place: --input question.wav --output answer.wav"


def library() -> Any:
    """Return the module `sounddevice`; raises `ConfigurationError` that names what is missing."""
    try:
        import sounddevice  # pyright: ignore[reportMissingTypeStubs] - it has none
    except ImportError as error:
        raise ConfigurationError(
            "extra_missing",
            "Microphone and loudspeaker need sounddevice, which is not installed.",
            hint=f"Install it with: {installing('voice')}. {_USE_FILES}",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            "extra_missing",
            "Microphone and loudspeaker need the system's PortAudio, which is not installed.",
            hint=(
                "Install it: apt install libportaudio2 (Debian, Ubuntu), dnf install portaudio"
                f" (Fedora), brew install portaudio (macOS). {_USE_FILES}"
            ),
        ) from error
    return sounddevice


def device_lines() -> str:
    """Return the devices, one a line with its number; `>` is before what is used if none is named.

    Raises `ConfigurationError` (`extra_missing`, `sound_unavailable`).
    """
    with told("listing the sound devices"):
        return str(library().query_devices()) or f"There is no sound device. {_USE_FILES}"


@contextmanager
def opened(way: Way, device: str | None) -> Generator[tuple[Any, int]]:
    """Open a *device*, by its number or a part of its name; yield its stream, and its rate in Hz.

    The rate is 24,000 where the device has it, or else the device's own.
    Raises `ConfigurationError` (`extra_missing`, `sound_unavailable`).
    """
    sound = library()
    named = int(device) if device is not None and device.isdecimal() else device
    what = "microphone" if way == "input" else "loudspeaker"
    with told(f"opening the {what}" + (f" {device!r}" if device else "")):
        rate = _rate(sound, way, named)
        kind = sound.RawInputStream if way == "input" else sound.RawOutputStream
        stream = kind(samplerate=rate, channels=1, dtype="int16", device=named, latency=LATENCY)
        stream.start()
    try:
        yield stream, rate
        stream.stop()
    finally:
        stream.close()  # what still sounds is cut off: whoever is stopped does not wait for it


def _rate(sound: Any, way: Way, device: int | str | None) -> int:
    check = sound.check_input_settings if way == "input" else sound.check_output_settings
    try:
        check(device=device, channels=1, dtype="int16", samplerate=RATE)
    except sound.PortAudioError:
        return int(sound.query_devices(device, way)["default_samplerate"])
    return RATE


@contextmanager
def told(deed: str) -> Generator[None]:
    """Turn what PortAudio raises into a `ConfigurationError` (`sound_unavailable`)."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:  # PortAudioError has no base of its own; ValueError for a name
        raise ConfigurationError(
            "sound_unavailable",
            f"There was an error {deed}: {error}.",
            hint=f"--list-devices shows what there is. {_USE_FILES}",
        ) from error
