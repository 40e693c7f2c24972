from __future__ import annotations

from typing import Any, get_args

import pytest
from openai.types.realtime import (
    AudioTranscription,
    RealtimeAudioConfigOutput,
    RealtimeSessionCreateRequest,
)
from openai.types.realtime.realtime_audio_formats import AudioPCM, AudioPCMA, AudioPCMU
from pydantic import BaseModel

from chatbots.realtime import names


def known(model: type[BaseModel], field: str) -> set[str]:
    """Return the names that the openai package lists for a field."""

    def words(kind: Any) -> set[str]:
        return {kind} if isinstance(kind, str) else {w for k in get_args(kind) for w in words(k)}

    return words(model.model_fields[field].annotation)


@pytest.mark.checklist(36, 76)
def test_each_realtime_model_that_the_openai_package_lists_has_its_constant() -> None:
    ours = {value for name, value in vars(names).items() if name.startswith("GPT_")}
    theirs = {name for name in known(RealtimeSessionCreateRequest, "model") if "realtime" in name}
    assert ours - theirs == set()
    # A preview that the reference does not name, and that was shut down with the others.
    assert theirs - ours == {"gpt-4o-realtime-preview-2025-06-03"}


def test_a_constant_is_called_after_what_it_says() -> None:
    for name, value in vars(names).items():
        if name.startswith("GPT_"):
            assert name == value.upper().replace("-", "_").replace(".", "_")


@pytest.mark.checklist(27, 76)
def test_what_transcribes_and_what_speaks_is_known_to_the_openai_package() -> None:
    assert {*names.TRANSCRIBERS} <= known(AudioTranscription, "model")
    assert known(RealtimeAudioConfigOutput, "voice") <= {*names.VOICES}
    formats = [known(model, "type") for model in (AudioPCM, AudioPCMU, AudioPCMA)]
    assert set().union(*formats) == {*names.AUDIO_FORMATS}
