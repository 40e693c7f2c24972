from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatbots.errors import ConfigurationError
from chatbots.local import weights as module
from chatbots.local.files import sha256_of
from chatbots.local.weights import WeightStore, own_file
from tests.local.weights_of import made_up, weights_of

DATA = made_up(5000)
WEIGHTS = weights_of(DATA)


def store_in(folder: Path) -> WeightStore:
    return WeightStore(
        folder / "cache", hub_cache=folder / "hub", ollama_dir=folder / "ollama" / "models"
    )


def put(path: Path, data: bytes = DATA) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def in_the_hub_cache(folder: Path, data: bytes = DATA) -> Path:
    return put(folder / "hub" / "models--Some--One" / "blobs" / WEIGHTS.sha256, data)


def in_ollama(folder: Path, data: bytes = DATA) -> Path:
    return put(folder / "ollama" / "models" / "blobs" / f"sha256-{WEIGHTS.sha256}", data)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were hashed, in order."""
    files: list[Path] = []

    def counting(path: Path) -> str:
        files.append(path)
        return sha256_of(path)

    monkeypatch.setattr(module, "sha256_of", counting)
    return files


def test_weights_that_are_nowhere_are_not_found(tmp_path: Path) -> None:
    assert store_in(tmp_path).find(WEIGHTS) is None
    assert not (tmp_path / "cache").exists()


def test_a_file_of_an_installed_package_is_linked_if_it_is_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "carrier" / "__init__.py", b"raise RuntimeError('imported')")
    carried = put(tmp_path / "carrier" / "assets" / "model.bin")
    monkeypatch.syspath_prepend(str(tmp_path))
    row = replace(WEIGHTS, package="carrier/assets/model.bin")
    assert store_in(tmp_path / "a").find(replace(row, package="nobody/model.bin")) is None
    place = store_in(tmp_path / "a").find(row)
    assert place is not None
    assert place.resolve() == carried
    put(carried, made_up(5001))
    assert store_in(tmp_path / "b").find(row) is None


def test_weights_in_our_cache_are_hashed_once_and_then_remembered(
    tmp_path: Path, hashed: list[Path]
) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    assert store.find(WEIGHTS) == place
    assert store.find(WEIGHTS) == place
    assert store_in(tmp_path).find(WEIGHTS) == place
    assert hashed == [place]


def test_weights_that_changed_are_hashed_again_and_refused(
    tmp_path: Path, hashed: list[Path]
) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    store.find(WEIGHTS)
    before = place.stat()
    put(place, b"GGUF" + bytes(len(DATA) - 4))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            store.find(WEIGHTS)
        assert caught.value.code == "weights_mismatch"
        assert str(place) in caught.value.message
        assert caught.value.hint == "Replace it with: chatbots models pull"
    assert hashed == [place, place]  # What is wrong is remembered as well.


def test_a_file_of_the_wrong_size_is_refused_without_hashing_it(
    tmp_path: Path, hashed: list[Path]
) -> None:
    store = store_in(tmp_path)
    put(store.place(WEIGHTS), DATA + b"x")
    with pytest.raises(ConfigurationError, match=r"tiny\.gguf is not Tiny"):
        store.find(WEIGHTS)
    assert hashed == []


def test_verifying_hashes_whatever_is_remembered(tmp_path: Path, hashed: list[Path]) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    assert store.find(WEIGHTS) == store.verify(WEIGHTS) == place
    assert hashed == [place, place]
    assert store_in(tmp_path / "elsewhere").verify(WEIGHTS) is None


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    store.find(WEIGHTS)
    before = place.stat()
    put(place, b"GGUF" + bytes(len(DATA) - 4))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.find(WEIGHTS) == place
    with pytest.raises(ConfigurationError, match="sha256"):
        store.verify(WEIGHTS)


@pytest.mark.parametrize("program", [in_the_hub_cache, in_ollama])
def test_what_another_program_has_fetched_is_linked_and_not_copied(
    tmp_path: Path, hashed: list[Path], program: object
) -> None:
    assert callable(program)
    blob = program(tmp_path)
    store = store_in(tmp_path)
    found = store.find(WEIGHTS)
    assert found == store.place(WEIGHTS)
    assert found.is_symlink()
    assert found.resolve() == blob.resolve()
    assert store.find(WEIGHTS) == found
    assert hashed == [blob]


def test_our_own_file_comes_first(tmp_path: Path) -> None:
    in_the_hub_cache(tmp_path)
    place = put(store_in(tmp_path).place(WEIGHTS))
    assert store_in(tmp_path).find(WEIGHTS) == place
    assert not place.is_symlink()


@pytest.mark.parametrize("data", [DATA[:-1], bytes(len(DATA))])
def test_another_programs_damaged_file_is_passed_by(tmp_path: Path, data: bytes) -> None:
    in_the_hub_cache(tmp_path, data)
    assert store_in(tmp_path).find(WEIGHTS) is None
    good = in_ollama(tmp_path)
    found = store_in(tmp_path).find(WEIGHTS)
    assert found is not None
    assert found.resolve() == good.resolve()


def test_a_link_whose_target_is_gone_is_made_anew(tmp_path: Path) -> None:
    blob = in_the_hub_cache(tmp_path)
    store = store_in(tmp_path)
    store.find(WEIGHTS)
    blob.unlink()
    assert store.find(WEIGHTS) is None
    other = in_ollama(tmp_path)
    found = store.find(WEIGHTS)
    assert found == store.place(WEIGHTS)
    assert found.resolve() == other.resolve()


def test_without_a_cache_of_our_own_the_file_is_used_where_it_lies(tmp_path: Path) -> None:
    blob = in_the_hub_cache(tmp_path)
    put(tmp_path / "cache")
    assert store_in(tmp_path).find(WEIGHTS) == blob


def test_a_blob_that_cannot_be_read_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_hub_cache(tmp_path)
    monkeypatch.setattr(module, "sha256_of", denied)
    assert store_in(tmp_path).find(WEIGHTS) is None


def test_a_file_of_ours_that_cannot_be_read_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    monkeypatch.setattr(module, "sha256_of", denied)
    with pytest.raises(ConfigurationError, match="Permission denied") as caught:
        store.find(WEIGHTS)
    assert caught.value.code == "file_unreadable"
    assert str(place) in caught.value.message


def test_a_cache_that_cannot_be_written_works_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    monkeypatch.setattr(module, "write_whole", denied)
    assert store.find(WEIGHTS) == place


def test_a_note_that_makes_no_sense_is_written_anew(tmp_path: Path, hashed: list[Path]) -> None:
    store = store_in(tmp_path)
    place = put(store.place(WEIGHTS))
    put(place.with_name("tiny.gguf.stamp"), b"{nonsense")
    assert store.find(WEIGHTS) == store.find(WEIGHTS) == place
    assert hashed == [place]


def denied(*_: object) -> str:
    raise PermissionError(13, "Permission denied")


def test_any_gguf_file_of_the_users_own_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "mine.gguf", b"GGUF and so on")
    assert own_file(path) == path
    monkeypatch.chdir(tmp_path)
    assert own_file(Path("mine.gguf")) == path


def test_a_file_in_another_format_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"GGU", b"PK\3\4"):
        with pytest.raises(ConfigurationError, match="not in the GGUF format") as caught:
            own_file(put(tmp_path / "mine", data))
        assert caught.value.code == "invalid_setting"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (tmp_path, "is not a file"),
        (tmp_path / "pipe", "is not a file"),
        (tmp_path / "none", "No such file"),
        (Path("with\0nul"), "null"),
    ):
        with pytest.raises(ConfigurationError, match=said) as caught:
            own_file(path)
        assert caught.value.code == "file_unreadable"
        assert caught.value.hint is not None
