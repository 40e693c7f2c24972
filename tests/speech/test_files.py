from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from chatbots.errors import ConfigurationError
from chatbots.local import catalog
from chatbots.local.catalog import load_speech
from chatbots.local.weights import WeightStore
from chatbots.speech import files
from chatbots.speech.files import PACKAGES, check_packages, needs_of


class Store(WeightStore):
    """Has everything but the file of this name."""

    def __init__(self, folder: Path, missing: str = "") -> None:
        super().__init__(folder, hub_cache=folder, ollama_dir=folder)
        self._missing = missing

    def find(self, weights: object) -> Path | None:
        row = next(row for row in load_speech() if row == weights)
        return None if row.name == self._missing else self.folder / row.file


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that are installed, for the test to change."""
    there = {*PACKAGES, "moonshine_voice", "piper"}
    for module in (files, catalog):
        monkeypatch.setattr(
            module, "find_spec", lambda name: ModuleSpec(name, None) if name in there else None
        )
    return there


@pytest.mark.usefixtures("installed")
def test_every_row_of_the_catalogue_has_its_place_in_what_is_needed(tmp_path: Path) -> None:
    needs = needs_of(Store(tmp_path), Path("/any.gguf"))
    folder = tmp_path / "models"
    assert needs.moonshine == str(folder)
    fields = set(needs.__struct_fields__) - {"speakers"}
    found = {Path(path).name for path in (*needs.speakers, *(getattr(needs, n) for n in fields))}
    rows = {row.file for row in load_speech() if not row.package and not row.without}
    assert found == rows | {"any.gguf", "models"}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "name", [row.name for row in load_speech() if not (row.optional or row.without)]
)
def test_what_is_not_here_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigurationError, match="not on this machine") as caught:
        needs_of(Store(tmp_path, missing=name), Path("/any.gguf"))
    assert caught.value.code == "weights_missing"
    assert "chatbots models pull --speech" in str(caught.value.hint)


def test_what_only_adds_a_voice_may_be_missing(tmp_path: Path, installed: set[str]) -> None:
    first = {str(tmp_path / "models/kokoro-af-heart.bin"): ("af_heart",)}
    assert needs_of(Store(tmp_path, missing="kokoro-us-speakers"), tmp_path).speakers == first
    assert needs_of(Store(tmp_path, missing="piper-joe"), tmp_path).piper == ""
    assert needs_of(Store(tmp_path), tmp_path).piper.endswith(".onnx")
    installed.remove("piper")
    assert needs_of(Store(tmp_path), tmp_path).piper == ""


def test_where_the_package_of_moonshine_is_not_its_weights_from_npm_are_needed(
    tmp_path: Path, installed: set[str]
) -> None:
    installed.remove("moonshine_voice")
    needs = needs_of(Store(tmp_path, missing="moonshine-tiny-en-encoder"), tmp_path)
    assert needs.moonshine == str(tmp_path / "models/moonshine-js-tiny-en.bin")
    with pytest.raises(ConfigurationError, match="8 bits"):
        needs_of(Store(tmp_path, missing="moonshine-js-tiny-en"), tmp_path)


def test_the_packages_that_are_missing_are_named_with_the_extra(
    tmp_path: Path, installed: set[str]
) -> None:
    check_packages()
    installed -= {"soxr", "onnxruntime"}
    with pytest.raises(ConfigurationError, match="onnxruntime, soxr must be installed") as caught:
        needs_of(Store(tmp_path), Path("/any.gguf"))
    assert caught.value.code == "extra_missing"
    assert "[local-voice]" in str(caught.value.hint)
