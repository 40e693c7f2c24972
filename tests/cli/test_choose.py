"""Who answers where nobody was named."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatbots.cli.choose import choose_model
from chatbots.errors import ConfigurationError
from chatbots.local import catalog
from chatbots.model_names import DEFAULT_MODEL, SHUTTING_DOWN
from chatbots.settings import Settings
from tests.cli.conftest import Runner
from tests.cli.running import CTRL_C, CTRL_D, Tiny, Upstream, run_process, terminal
from tests.local.weights_of import hub, made_up, weights_of


class Keyboard(io.StringIO):
    """A terminal at which something was typed."""

    def isatty(self) -> bool:
        return True


@contextmanager
def typing(text: str, *, seen: bool = True) -> Iterator[None]:
    """Type *text* at a terminal, whose screen may be somewhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", Keyboard(text))
        patch.setattr(sys.stderr, "isatty", lambda: seen)
        yield


def settings(**values: object) -> Settings:
    return Settings.load(None, **values)


# Somebody is named


@pytest.mark.parametrize("named", [{"openai_api_key": "k"}, {"openai_base_url": "http://h/v1"}])
def test_who_was_named_is_asked(named: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    given = settings(**named)
    assert choose_model(given) is given
    assert capsys.readouterr() == ("", "")


# The model on this machine


def test_with_nobody_named_the_model_here_answers_and_says_so(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.here()
    chosen = choose_model(settings())
    assert (chosen.wants_local, chosen.openai_model) == (True, "local")
    said = "chatbots: No key is set; Tiny (Q1) answers, on this machine.\n"
    assert capsys.readouterr() == ("", said)


def test_asked_for_by_name_it_says_nothing(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.here()
    assert choose_model(settings(openai_model="local", openai_api_key="k")).wants_local
    assert choose_model(settings(chatbots_local=True)).openai_model == "local"
    assert capsys.readouterr() == ("", "")


def test_a_file_of_ones_own_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF...")
    assert choose_model(settings(chatbots_local_model=tmp_path / "mine.gguf")).wants_local
    assert "mine.gguf answers, on this machine." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "why"), [(None, "cannot be read"), (b"PK\x03\x04", "is not in the GGUF format")]
)
def test_a_file_that_is_no_model_is_refused(
    data: bytes | None, why: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if data:
        (tmp_path / "mine.gguf").write_bytes(data)
    monkeypatch.setenv("CHATBOTS_LOCAL_MODEL", str(tmp_path / "mine.gguf"))
    ran = run("stream", "--prompt", "Hi")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert f"mine.gguf {why}" in ran.err


# It is not here


def test_a_pipe_is_told_both_remedies(tiny: Tiny) -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose_model(settings())
    assert caught.value.code == "not_configured"
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "chatbots models pull" in str(caught.value)
    assert tiny.site.asked == []


def test_asked_for_by_name_the_download_is_the_remedy(tiny: Tiny) -> None:
    with pytest.raises(ConfigurationError, match=r"Tiny .* chatbots models pull") as caught:
        choose_model(settings(openai_model="local"))
    assert caught.value.code == "weights_missing"


@pytest.mark.parametrize("answer", ["\n", "y\n", "Yes\n", " Y \n"])
def test_a_person_who_agrees_gets_it(
    answer: str, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with typing(answer):
        assert choose_model(settings()).wants_local
    assert tiny.path.exists()
    said = capsys.readouterr()
    assert said.out == ""
    assert "Download Tiny (Q1), 0 MB, Apache-2.0, and answer locally? [Y/n] " in said.err
    assert said.err.count("[Y/n]") == 1


@pytest.mark.parametrize("answer", ["n\n", "No\n", "what?\n", ""])
def test_a_person_who_does_not_agree_is_told_the_same(
    answer: str, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with typing(answer), pytest.raises(ConfigurationError) as caught:
        choose_model(settings())
    assert caught.value.code == "not_configured"
    assert tiny.site.asked == []
    assert capsys.readouterr().err.count("[Y/n]") == 1


def test_a_question_nobody_would_see_is_not_asked(tiny: Tiny) -> None:
    with typing("y\n", seen=False), pytest.raises(ConfigurationError):
        choose_model(settings())
    assert tiny.site.asked == []


# What hears and speaks is part of it


@pytest.fixture
def voice(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What hears and speaks, which can be fetched; return where it is kept."""
    (tiny.site.folder / "r1" / "voice.bin").write_bytes(data := made_up(1_500_000))
    row = replace(weights_of(data, hub(tiny.site.url)), title="A voice", file="voice.bin")
    monkeypatch.setattr("chatbots.local.catalog.load_speech", lambda: (row,))
    monkeypatch.setattr("chatbots.speech.files.check_packages", lambda: None)
    return tiny.path.with_name("voice.bin")


def test_a_voice_more_that_could_be_had_keeps_nobody_from_being_answered(
    tiny: Tiny, voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(row, optional=True) for row in catalog.load_speech()]
    monkeypatch.setattr("chatbots.local.catalog.load_speech", lambda: rows)
    tiny.here()
    assert not voice.exists()
    assert choose_model(settings(), speech=True).chatbots_local
    assert tiny.site.asked == []


@pytest.mark.parametrize(
    ("here", "asked", "told"),
    [
        ("", {}, "Set OPENAI_API_KEY, or fetch a model for this machine with: {} (1 MB)."),
        ("model", {}, "What hears and speaks is not on this machine. Fetch it with: {} (1 MB)."),
        ("voice", {}, "Set OPENAI_API_KEY, or fetch a model for this machine with: {} (0 MB)."),
        (
            "voice",
            {"chatbots_local": True},
            "Tiny (Q1), is not on this machine. Fetch it with: {} ",
        ),
    ],
)
def test_one_command_fetches_all_that_a_voice_lacks(
    tiny: Tiny, voice: Path, here: str, asked: dict[str, bool], told: str
) -> None:
    if here == "model":
        tiny.here()
    if here == "voice":
        voice.parent.mkdir(parents=True)
        voice.write_bytes((tiny.site.folder / "r1" / "voice.bin").read_bytes())
    with pytest.raises(ConfigurationError) as caught:
        choose_model(settings(**asked), speech=True)
    assert told.format("chatbots models pull --speech") in str(caught.value)
    assert str(caught.value).count("models pull") == 1


@pytest.mark.parametrize("here", [False, True])
def test_a_person_who_agrees_gets_all_that_a_voice_lacks(
    tiny: Tiny, voice: Path, here: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if here:
        tiny.here()
    with typing("y\n"):
        assert choose_model(settings(), speech=True).wants_local
    assert tiny.path.exists()
    assert voice.exists()
    what = "A voice" if here else "what answers, hears and speaks"
    assert f"Download {what}, 1 MB, Apache-2.0, and answer" in capsys.readouterr().err
    assert choose_model(settings(), speech=True).wants_local  # nothing is asked any more


def test_the_voice_program_says_what_it_lacks(tiny: Tiny, voice: Path, run: Runner) -> None:
    ran = run("voice", "--text", "Hi", "--output", "answer.wav")
    assert ran.status == 1
    assert ran.err.endswith("with: chatbots models pull --speech (1 MB).\n")


# Models that are shut down


@pytest.mark.parametrize(
    ("model", "said"), [("gone", "has shut down gone since 2020"), ("going", "shuts down going on")]
)
def test_a_model_that_goes_away_gets_one_line(
    model: str,
    said: str,
    upstream: Upstream,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setattr(
        "chatbots.model_names.SHUTTING_DOWN", {"gone": "2020-01-01", "going": "9999-01-01"}
    )
    choose_model(settings(openai_api_key="k", openai_model=model))
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_another_servers_models_may_have_any_name(
    upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbots.model_names.SHUTTING_DOWN", {"gone": "2020-01-01"})
    assert run("stream", "--model", "gone", "--prompt", "Hi").err == ""


def test_a_deployment_on_azure_may_have_any_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbots.model_names.SHUTTING_DOWN", {"gone": "2020-01-01"})
    given = settings(azure_openai_endpoint="https://h", openai_model="gone")
    assert choose_model(given) is given
    assert capsys.readouterr() == ("", "")


def test_the_default_model_is_one_that_lives() -> None:
    assert DEFAULT_MODEL not in SHUTTING_DOWN


# As a person sees it


@pytest.mark.checklist(11)
def test_without_anything_a_pipe_gets_one_line_with_both_remedies() -> None:
    ran = run_process("-m", "chatbots", "stream", given=b"Hi\n")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "Set OPENAI_API_KEY, or fetch a model" in ran.err
    assert "chatbots models pull (491 MB)" in ran.err


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [("n\r", 1, "Set OPENAI_API_KEY"), (CTRL_D, 1, "Set OPENAI_API_KEY"), (CTRL_C, 130, "")],
    ids=["n", "ctrl-d", "ctrl-c"],
)
def test_a_terminal_is_asked_once(keys: str, status: int, said: str) -> None:
    with terminal("-m", "chatbots", "stream") as screen:
        screen.wait_for("491 MB, Apache-2.0, and answer locally? [Y/n] ")
        screen.press(keys)
        ran = screen.end()
    assert ran.status == status
    assert said in ran.out
    assert "[Y/n]" not in ran.out
    assert "Traceback" not in ran.out
