from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.terminal.sound_devices import device_lines, opened
from tests.terminal.sounding import SoundLibrary


def install(monkeypatch: pytest.MonkeyPatch, library: object) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", library)


def test_the_devices_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, SoundLibrary(24_000))
    assert device_lines() == "> 0 Headset, ALSA (1 in, 2 out)"


def test_where_there_is_no_device_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SoundLibrary(24_000)
    monkeypatch.setattr(library, "query_devices", str)  # PortAudio's own list, when it is empty
    install(monkeypatch, library)
    assert device_lines().startswith("There is no sound device. Or use files")


@pytest.mark.checklist(153)
def test_without_the_extra_one_line_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)
    with pytest.raises(ConfigurationError, match=r"pip install .*\[voice\]") as raised:
        device_lines()
    assert raised.value.code == "extra_missing"


@pytest.mark.checklist(153)
def test_without_portaudio_one_line_names_the_systems_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As the module itself does where the library is missing.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(ConfigurationError, match="apt install libportaudio2") as raised:
        device_lines()
    assert "brew install portaudio" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_device_is_opened_at_the_rate_of_the_api_where_it_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = SoundLibrary(48_000, 24_000)
    install(monkeypatch, library)
    with opened("input", "2") as (stream, rate):
        assert rate == 24_000
        assert stream.open
    assert not library.streams[0].open
    assert library.streams[0].asked["device"] == 2  # a number is one
    with opened("output", "USB") as (_, rate):
        pass
    assert library.streams[1].asked["device"] == "USB"


def test_a_device_that_lacks_that_rate_is_opened_at_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = SoundLibrary(48_000)
    install(monkeypatch, library)
    with opened("output", None) as (_, rate):
        assert rate == library.streams[0].asked["samplerate"] == 48_000


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, SoundLibrary(24_000))
    with (
        pytest.raises(ConfigurationError, match="opening the microphone 'nobody'") as raised,
        opened("input", "nobody"),
    ):
        raise AssertionError
    assert raised.value.code == "sound_unavailable"
    assert "--list-devices" in str(raised.value)
    install(monkeypatch, SoundLibrary(broken=True))
    with pytest.raises(ConfigurationError, match="listing the sound devices: Error querying"):
        device_lines()
