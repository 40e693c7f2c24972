"""The examples run."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatbots.testing.threaded import FakeOpenAIThread
from tests.pages import Program

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
    out = example("realtime_chat", given="I am Ada.\nWho am I?\nquit\nNever asked.\n")
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
