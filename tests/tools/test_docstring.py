from __future__ import annotations

import pytest

from chatbots.tools.docstring import read_docstring

SAID = "Find a city.\n\nIt may be anywhere."
MEANT = {"name": "how it is called, and by whom", "count": "how many"}

GOOGLE = """Find a city.

    It may be anywhere.

    Args:
        name (str): how it is called,
            and by whom
        count: how many

    Returns:
        name: no parameter
    """

NUMPY = """Find a city.

    It may be anywhere.

    Parameters
    ----------
    name : str
        how it is called,
        and by whom
    count : int, optional
        how many

    Returns
    -------
    count
        no parameter
    """

SPHINX = """Find a city.

    It may be anywhere.

    :param str name: how it is called,
        and by whom
    :type name: str
    :param count: how many
    :returns: no parameter
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_a_docstring_says_what_the_function_and_its_parameters_are(text: str) -> None:
    assert read_docstring(text) == (SAID, MEANT)


@pytest.mark.parametrize("text", [None, "", "\n  \n"])
def test_without_a_docstring_nothing_is_said(text: str | None) -> None:
    assert read_docstring(text) == ("", {})


def test_a_docstring_may_be_one_line() -> None:
    assert read_docstring("Multiply two numbers: a and b.") == (
        "Multiply two numbers: a and b.",
        {},
    )


def test_several_parameters_may_share_a_line() -> None:
    assert read_docstring("x\n\nParameters\n----------\na, b : int\n    Factors.\n")[1] == {
        "a": "Factors.",
        "b": "Factors.",
    }
    assert read_docstring("x\n\nArgs:\n    *args: more\n    **rest: the rest\n")[1] == {
        "args": "more",
        "rest": "the rest",
    }


def test_what_is_no_entry_is_passed_over() -> None:
    text = "x\n\nArgs:\n    whatever comes to mind\n    a: A.\n\n    b:\n"
    assert read_docstring(text) == ("x", {"a": "A."})


@pytest.mark.parametrize("section", ["Raises", "Examples", "Note"])
def test_other_sections_are_not_told(section: str) -> None:
    assert read_docstring(f"x\n\n{section}:\n    a: no\n\n    more\n") == ("x", {})
    assert read_docstring(f"x\n\n{section}\n{'-' * len(section)}\na : no\n    more\n") == ("x", {})
