from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.local import catalog
from chatbots.local.catalog import HubSource, TarballSource, WheelSource

ROW = """
[[model]]
name = "tiny"
title = "Tiny"
file = "tiny.gguf"
size = 10
sha256 = "00"
licence = "MIT"
origin = "https://models.invalid"
revision = "1"
context = 512
"""
WHEELS = """
[[model.source]]
kind = "wheels"
title = "the index"
index = "https://index.invalid"
[[model.source.wheel]]
distribution = "tiny"
version = "1"
size = 20
sha256 = "00"
member = "tiny/data.bin"
member_size = 9
"""


def rows_in(folder: Path, text: str) -> tuple[catalog.Weights, ...]:
    path = folder / "models.toml"
    path.write_text(text)
    return catalog.load(path)


def test_the_default_is_the_small_model_with_its_hash_its_licence_and_its_sources() -> None:
    weights = catalog.find()
    assert weights == catalog.load()[0]
    assert weights.size == 491_400_064
    assert weights.sha256 == "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
    assert weights.licence == "Apache-2.0"
    hub, wheels = weights.source
    assert isinstance(hub, HubSource)
    assert isinstance(wheels, WheelSource)
    assert len(wheels.wheel) == 6
    assert sum(wheel.member_size for wheel in wheels.wheel) == weights.size
    assert all(re.fullmatch("[0-9a-f]{64}", wheel.sha256) for wheel in wheels.wheel)


def test_each_file_of_the_speech_stack_has_its_hash_its_licence_and_where_it_may_come_from() -> (
    None
):
    rows = catalog.load_speech()
    assert [weights.name.partition("-")[0] for weights in rows] == [
        *("kokoro", "kokoro", "kokoro", "misaki", "misaki", "g2p", "silero"),
        *("moonshine", "moonshine", "moonshine", "moonshine", "piper"),
    ]
    assert {weights.licence for weights in rows} == {"Apache-2.0", "MIT", "CC0-1.0"}
    assert all(re.fullmatch("[0-9a-f]{64}", weights.sha256) for weights in rows)
    assert all(bool(weights.source) != bool(weights.package) for weights in rows)
    assert len({weights.file for weights in rows}) == len(rows)
    tarballs = [s for w in rows for s in w.source if isinstance(s, TarballSource)]
    assert [len(source.members) for source in tarballs] == [10, 1, 19, 3]


def test_what_is_for_other_packages_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"moonshine_voice"}
    monkeypatch.setattr(catalog, "find_spec", lambda name: name if name in there else None)
    rows = {weights.name for weights in catalog.load_speech()}

    def unwanted() -> set[str]:
        return rows - {row.name for row in catalog.load_speech() if catalog.is_wanted(row)}

    assert unwanted() == {"moonshine-js-tiny-en", "piper-joe"}
    there = {"piper"}
    carried = {f"moonshine-tiny-en-{part}" for part in ("encoder", "decoder", "tokenizer")}
    assert unwanted() == carried


def test_no_python_file_names_a_source() -> None:
    package = Path(catalog.__file__).parents[1]
    named = set[str]()
    for weights in catalog.load():
        named |= {weights.origin.partition("//")[2], weights.sha256, weights.revision}
        for source in weights.source:
            if isinstance(source, WheelSource):
                named |= {source.index.split("/")[2]}
                named |= {wheel.distribution.rstrip("0123456789") for wheel in source.wheel}
                named |= {wheel.sha256 for wheel in source.wheel}
            else:
                named |= {source.url.split("/")[2]}
    for path in package.rglob("*.py"):
        text = path.read_text()
        assert not [name for name in named if name in text], path


def test_a_model_is_found_by_its_name() -> None:
    name = catalog.load()[0].name
    assert catalog.find(name).name == name


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="no local model called 'gpt-9'") as caught:
        catalog.find("gpt-9")
    assert caught.value.hint is not None
    assert catalog.load()[0].name in caught.value.hint


def test_without_rows_there_is_no_default() -> None:
    with pytest.raises(ConfigurationError, match="Known: none"):
        catalog.find(rows=())


def test_a_row_without_sources_is_a_file_to_bring_oneself(tmp_path: Path) -> None:
    [weights] = rows_in(tmp_path, ROW)
    assert weights.source == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[model", "Expected"),
        (ROW.replace("size = 10", 'size = "big"'), "Expected `int`"),
        (ROW + 'colour = "red"', "colour"),
        (ROW.replace("tiny.gguf", "../tiny.gguf"), "not a plain file name"),
        (ROW + WHEELS, "the wheels of tiny hold 9 bytes, not 10"),
    ],
)
def test_rows_that_make_no_sense_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="makes no sense") as caught:
        rows_in(tmp_path, text)
    assert caught.value.code == "invalid_setting"
    assert said in caught.value.message


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml") as caught:
        catalog.load(tmp_path / "nowhere.toml")
    assert caught.value.code == "file_unreadable"


def test_wheels_that_fit_are_accepted(tmp_path: Path) -> None:
    [weights] = rows_in(tmp_path, ROW + WHEELS.replace("= 9", "= 10"))
    assert isinstance(weights.source[0], WheelSource)
