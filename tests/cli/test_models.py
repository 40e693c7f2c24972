"""`models`: the weights and the processes of this machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from chatbots.cli.models import ACTIONS, main
from chatbots.local.catalog import TarballSource
from tests.cli.conftest import Runner
from tests.cli.running import Ran, Tiny
from tests.local.processes import lives, local_model, no_helper_is_left
from tests.local.weights_of import made_up, weights_of

NOT_HERE = "chatbots: The model is not on this machine. Fetch it with: chatbots models pull\n"


def test_a_list_says_what_there_is_and_what_is_here(tiny: Tiny, run: Runner) -> None:
    line = "tiny: Tiny (Q1), 0 MB, Apache-2.0; default, "
    assert run("models", "list") == (0, f"{line}not here\n", "")
    tiny.here()
    assert run("models", "list") == (0, f"{line}here: {tiny.path}\n", "")


def test_a_list_names_a_file_of_ones_own(
    tiny: Tiny, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATBOTS_LOCAL_MODEL", "/mine.gguf")
    assert "/mine.gguf: your own file (CHATBOTS_LOCAL_MODEL)" in run("models", "list").out


def test_pull_fetches_and_prints_where_it_lies(tiny: Tiny, run: Runner) -> None:
    ran = run("models", "pull")
    assert (ran.status, ran.out) == (0, f"{tiny.path}\n")
    assert ran.err == "chatbots: Downloading Tiny (Q1) from the hub.\n"
    assert run("models", "pull") == (0, f"{tiny.path}\n", "")


def test_pull_fetches_what_voice_needs_too_where_that_is_asked_for(
    tiny: Tiny, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(tiny.weights, name="voice", title="Voice (Q1)", file="voice.gguf")
    other = replace(row, name="other", file="other.gguf", extra="no_such_package", voices=("joe",))
    shelf = tiny.site.folder / "r1"
    for file in (row.file, other.file):
        (shelf / file).write_bytes((shelf / tiny.path.name).read_bytes())
    monkeypatch.setattr("chatbots.local.catalog.load_speech", lambda: (row, other))
    monkeypatch.setattr("chatbots.speech.files.PACKAGES", ("nothing_of_this_name",))
    ran = run("models", "pull", "--speech")
    assert (ran.status, ran.out) == (1, f"{tiny.path}\n")
    assert "nothing_of_this_name must be installed" in ran.err
    monkeypatch.setattr("chatbots.speech.files.PACKAGES", ())
    place = tiny.path.with_name("voice.gguf")
    assert run("models", "pull", "--speech").out == f"{tiny.path}\n{place}\n"
    listed = run("models", "list").out
    assert f"voice: Voice (Q1), 0 MB, Apache-2.0; here: {place}\n" in listed
    assert "not here; voices: joe; needs chatriver[no_such_package]\n" in listed
    both = f"{tiny.path}\n{place}\n{tiny.path.with_name('other.gguf')}\n"
    assert run("models", "pull", "--all").out == both


def test_where_a_package_cannot_be_had_the_registrys_tarball_is_fetched_in_its_place(
    tiny: Tiny, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = {"encoder.onnx": made_up(70_000), "min.js": b"words", "decoder.onnx": made_up(9_000)}
    tarball = tiny.site.folder / "moonshine-js.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name, data in pieces.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    whole = pieces["encoder.onnx"] + pieces["decoder.onnx"] + pieces["min.js"]
    source = TarballSource(
        title="the registry",
        url=f"{tiny.site.url}/{tarball.name}",
        size=tarball.stat().st_size,
        sha256=hashlib.sha256(tarball.read_bytes()).hexdigest(),
        members=("package/encoder.onnx", "package/decoder.onnx", "package/min.js"),
    )
    here = replace(
        weights_of(whole, source), name="js", file="moonshine-js.bin", without="no_such_package"
    )
    carried = replace(here, name="own", package="no_such_package/own.ort", without="", source=())
    monkeypatch.setattr("chatbots.local.catalog.load_speech", lambda: (carried, here))
    monkeypatch.setattr("chatbots.speech.files.PACKAGES", ())
    place = tiny.path.with_name("moonshine-js.bin")
    ran = run("models", "pull", "--speech")
    assert (ran.status, ran.out) == (0, f"{tiny.path}\n{place}\n")
    assert "from the registry" in ran.err
    assert place.read_bytes() == whole


def test_what_only_adds_a_voice_may_fail_to_come(
    tiny: Tiny, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("models", "pull")
    row = replace(tiny.weights, title="Another", file="other.gguf", optional=True)
    monkeypatch.setattr("chatbots.local.catalog.load_speech", lambda: (row,))
    monkeypatch.setattr("chatbots.speech.files.PACKAGES", ())
    ran = run("models", "pull", "--speech")
    assert (ran.status, ran.out) == (0, f"{tiny.path}\n")
    assert "Another could not be downloaded" in ran.err
    assert ran.err.endswith("The rest works without it.\n")
    monkeypatch.setattr(
        "chatbots.local.catalog.load_speech", lambda: (replace(row, optional=False),)
    )
    assert run("models", "pull", "--speech").status == 1


def test_pull_says_why_it_could_not(tiny: Tiny, run: Runner) -> None:
    tiny.site.status = 404
    ran = run("models", "pull")
    assert (ran.status, ran.out) == (1, "")
    assert "could not be downloaded" in ran.err.splitlines()[-1]


def test_verify_hashes_the_file_once_more(tiny: Tiny, run: Runner) -> None:
    assert run("models", "verify") == (1, "", NOT_HERE)
    tiny.here()
    said = f"{tiny.path}: sha256 {tiny.weights.sha256}, as it should be\n"
    assert run("models", "verify") == (0, said, "")
    changed = bytearray(tiny.path.read_bytes())
    changed[-1] ^= 1
    tiny.path.write_bytes(changed)
    ran = run("models", "verify")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert f"{tiny.path} is not Tiny (Q1)" in ran.err


def test_path_prints_the_file_alone(tiny: Tiny, run: Runner) -> None:
    assert run("models", "path") == (1, "", NOT_HERE)
    tiny.here()
    assert run("models", "path") == (0, f"{tiny.path}\n", "")


@pytest.mark.parametrize("action", ["status", "stop"])
def test_where_nothing_runs_it_says_so(action: str, run: Runner) -> None:
    assert run("models", action) == (0, "", "chatbots: No local model is running.\n")


async def test_a_process_is_shown_and_ended(
    tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with no_helper_is_left(tmp_path) as state:
        monkeypatch.setattr("chatbots.places.local_state", lambda: state)
        model = local_model(tmp_path, idle=30)
        endpoint = await model.endpoint()

        async def ran(action: str) -> Ran:
            return await anyio.to_thread.run_sync(run, "models", action)

        line = f"pid {endpoint.pid}: {tmp_path / 'tiny.gguf'}, in use, {endpoint.base_url}\n"
        assert await ran("status") == (0, line, "")
        assert await ran("stop") == (0, f"pid {endpoint.pid}: ended\n", "")
        assert not lives(endpoint.pid)
        await model.aclose()


@pytest.mark.parametrize("argv", [[], ["pul"], ["list", "--all"]])
def test_wrong_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: chatbots models")


def test_help_lists_the_actions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert all(f"  {action} " in said for action in ACTIONS)


@pytest.mark.parametrize("argv", [["--debug", "path"], ["path", "--debug"]])
def test_debug_may_stand_before_and_after_the_action(
    argv: list[str], run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATBOTS_LOCAL_MODEL", "/nowhere.gguf")
    ran = run("models", *argv)
    assert ran.status == 1
    assert "Traceback" in ran.err
    assert "Traceback" not in run("models", "path").err
