from __future__ import annotations

import pytest

from chatbots.local import catalog
from chatbots.speech.voices import complaint, named
from chatbots.version import installing

HERE = ("af_heart", "am_puck", "af_nova", "joe")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("am_puck", "am_puck"),
        ("puck", "am_puck"),
        ("joe", "joe"),
        ("nova", "af_nova"),  # OpenAI has one of this name too
        ("marin", "af_heart"),
        ("", None),
        ("m_puck", None),
    ],
)
def test_a_voice_is_meant_by_its_name_and_openais_by_none_of_ours(
    name: str, meant: str | None
) -> None:
    assert named(name, HERE) == meant
    assert (complaint(name, HERE) is None) is (meant is not None)


def test_an_unknown_voice_is_told_with_those_there_are() -> None:
    said = "Invalid value: 'nobody'. Supported values are: 'af_heart', 'joe'."
    assert complaint("nobody", ["af_heart", "joe"]) == said


@pytest.mark.parametrize(
    ("name", "extra", "run"),
    [
        ("joe", None, f"{installing('piper')}; chatbots models pull --speech"),
        ("joe", "there", "chatbots models pull --speech"),
        ("am_puck", None, "chatbots models pull --speech"),
        ("puck", None, "chatbots models pull --speech"),
    ],
)
def test_a_voice_that_could_be_had_is_told_with_how(
    monkeypatch: pytest.MonkeyPatch, name: str, extra: object, run: str
) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda _name: extra)
    assert complaint(name, ["af_heart"]) == (
        f"The voice '{name}' is not on this machine. Run: {run}"
    )
