"""The checklist: each row is shown by a test, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import checklist

ROOT = Path(__file__).resolve().parent.parent

ROWS = """
[areas]
1 = "First"
3 = "Second"
[1]
feature = "flies"
[2]
feature = "swims"
open = "it is no fish"
[3]
feature = "walks"
[parts]
"the `wing`" = "wing.py feather/"
"""

TESTS = """
import pytest

pytestmark = pytest.mark.checklist(3)

@pytest.mark.checklist(1, *range(3, 4))
def test_it_flies() -> None: ...

class TestBird:
    @pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.checklist(1))])
    async def test_it_flies_far(self, n: int) -> None: ...
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tests/room").mkdir(parents=True)
    (tmp_path / "tests/checklist.toml").write_text(ROWS, "utf-8")
    (tmp_path / "tests/room/test_bird.py").write_text(TESTS, "utf-8")
    return tmp_path


def test_each_row_is_shown_by_a_test_or_says_why_not() -> None:
    assert checklist.complaints(ROOT) == []
    assert list(checklist.rows(ROOT)) == list(range(1, 258))


@pytest.mark.checklist(32, 58, 59, 60, 61, 62, 63, 64, 211, 255)
def test_each_part_of_the_reference_systems_has_its_place() -> None:
    for part, places in checklist.parts(ROOT).items():
        assert places, part
        assert [place for place in places if not (ROOT / place).exists()] == []


def test_marks_are_found_on_tests_classes_parameters_and_files(tree: Path) -> None:
    assert checklist.complaints(tree) == []
    assert checklist.shown(tree) == {
        1: [
            ("tests/room/test_bird.py", "test_it_flies"),
            ("tests/room/test_bird.py", "TestBird::test_it_flies_far"),
        ],
        3: [("tests/room/test_bird.py", ""), ("tests/room/test_bird.py", "test_it_flies")],
    }


def test_the_page_has_a_line_for_each_row(tree: Path) -> None:
    page = checklist.page(tree)
    assert "## First\n" in page
    bird = "[room/test_bird.py](../tests/room/test_bird.py)"
    assert f"\n| 1 | flies | {bird}: it flies<br>{bird}: it flies far |\n" in page
    assert "\n| 2 | swims | *it is no fish* |\n\n## Second\n" in page
    assert f"\n| 3 | walks | {bird}<br>{bird}: it flies |\n" in page
    assert page.endswith("| the `wing` | [wing.py](../wing.py), [feather/](../feather/) |\n")


@pytest.mark.parametrize(
    ("marked", "complaint"),
    [
        ("1, 2, 3", "row 2 is shown by tests/room/test_bird.py: strike out its `open`"),
        ("1", "no test shows row 3: walks"),
        ("1, 3, 4", "tests/room/test_bird.py marks row 4, which does not exist"),
    ],
)
def test_what_does_not_fit_is_told(tree: Path, marked: str, complaint: str) -> None:
    test = f"@pytest.mark.checklist({marked})\ndef test_it(): ...\n"
    (tree / "tests/room/test_bird.py").write_text(test, "utf-8")
    assert checklist.complaints(tree) == [complaint]
