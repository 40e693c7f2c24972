from __future__ import annotations

import re
from pathlib import Path

from chatbots import version


def test_the_version_is_a_release() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.VERSION)


def test_an_extra_is_installed_from_where_the_package_came(tmp_path: Path) -> None:
    assert version.installing("voice", checkout=tmp_path) == "pip install 'chatriver[voice]'"
    (tmp_path / "pyproject.toml").touch()
    assert version.installing("voice", checkout=tmp_path) == f"pip install -e '{tmp_path}[voice]'"


def test_the_distribution_is_not_the_empty_package_of_the_same_name() -> None:
    assert version.DISTRIBUTION == "chatriver"
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    assert f'name = "{version.DISTRIBUTION}"' in project
