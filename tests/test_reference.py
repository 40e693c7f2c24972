"""The reference: each public name is on it, and says what it is."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

import chatbots
from chatbots import testing
from docs import reference


@pytest.mark.checklist(33, 66)
@pytest.mark.parametrize("module", [chatbots, testing])
def test_each_public_name_says_what_it_is(module: ModuleType) -> None:
    assert [
        name for name, value in reference.public(module) if not reference.said_of(name, value)
    ] == []


@pytest.mark.checklist(66)
def test_the_page_has_each_name_with_how_it_is_called_and_its_methods() -> None:
    page = reference.page()
    for name in (*dir(chatbots), *dir(testing)):
        if not name.startswith("_") and name[0].isupper():
            assert re.search(rf"^### `{name}\b", page, re.MULTILINE) or name == "TYPE_CHECKING"
    assert "\n### `Delta`\n\nAnother name for one or more types.\n" in page
    assert "\n### `ask(service, said, *, output_type=None, **asking)`\n" in page
    assert "\n### `Settings(...)`\n" in page
    assert "\n- `of(data, detail=None)`: Return the image in *data*: " in page
    assert " at 0x" not in page
