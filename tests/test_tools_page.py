"""The program on the page about tools does what it says, and its marks are those there are."""

from __future__ import annotations

import re
from pathlib import Path

from chatbots.testing.threaded import FakeOpenAIThread
from chatbots.tools.tool import Marks
from tests.pages import Program

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tools.md").read_text("utf-8")
PROGRAM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]


def test_the_program_books_a_room(run_program: Program, fake_openai: FakeOpenAIThread) -> None:
    fake_openai.answer(tool_calls=[("book", {"city": "Zurich", "nights": 2})])
    fake_openai.answer("It is booked.")
    assert run_program(PROGRAM) == "It is booked.\n"
    first, second = (call.json for call in fake_openai.calls)
    offered = [one["function"] for one in first["tools"]]
    assert [one["name"] for one in offered] == ["book", "multiply"]
    city = offered[0]["parameters"]["properties"]["city"]
    assert city["description"] == "where, by its English name"
    assert second["messages"][-1]["content"] == "2 nights in Zurich, booked for Ada."


def test_the_marks_are_those_there_are() -> None:
    said = re.findall(r"^\| `(\w+)=(\S+)` \|", PAGE, re.MULTILINE)
    made = {name: str(getattr(Marks(), name)) for name in Marks.__struct_fields__}
    assert dict(said) | {"strict": "True"} == made
