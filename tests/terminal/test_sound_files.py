from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from chatbots.errors import ConfigurationError, InvalidRequest
from chatbots.realtime.audio import RATE
from chatbots.realtime.wav import header
from chatbots.terminal.microphone import from_file
from chatbots.terminal.sound_files import heard_from, spoken_into
from tests.cli.running import environment_with

SOUND = header(RATE, 4) + b"abcd"


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    path = tmp_path / "answer.wav"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def leave(path: Path) -> None:
    """Begin to speak into it, and press Ctrl-C."""
    with suppress(KeyboardInterrupt), spoken_into(path) as output:
        output.write(b"abcd")
        raise KeyboardInterrupt


def test_an_old_file_is_replaced_when_the_new_one_is_whole(answer: Path) -> None:
    (link := answer.with_name("link.wav")).symlink_to(answer)
    with spoken_into(link) as output:
        output.write(b"abcd")
        assert answer.read_bytes() == b"old"
        output.close()
    assert answer.read_bytes() == SOUND
    assert stat.S_IMODE(answer.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert sorted(path.name for path in answer.parent.iterdir()) == ["answer.wav", "link.wav"]


def test_who_leaves_before_or_says_nothing_leaves_the_old_file_whole(answer: Path) -> None:
    leave(answer)
    with spoken_into(answer) as output:
        output.close()
    assert answer.read_bytes() == b"old"
    assert list(answer.parent.iterdir()) == [answer]


def test_where_there_was_none_a_part_is_better_than_nothing(tmp_path: Path) -> None:
    leave(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == SOUND


def test_what_is_heard_is_not_spoken_into(answer: Path) -> None:
    (other := answer.with_name("other.wav")).hardlink_to(answer)
    with (
        heard_from(other) as file,
        pytest.raises(InvalidRequest, match=r"answer.wav' is heard"),
        spoken_into(answer, heard=[file]),
    ):
        raise AssertionError


def test_a_file_that_is_write_protected_stays(
    answer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As it is for all but the superuser, who may run this.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with (
        pytest.raises(
            ConfigurationError, match=r"answer.wav' cannot be written: Permission denied"
        ),
        spoken_into(answer),
    ):
        raise AssertionError


async def test_a_pipe_nobody_writes_to_yet_does_not_stop_the_others(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with heard_from(pipe) as file:
        with anyio.move_on_after(0.05) as waiting:
            await anext(from_file(file, pace=0))
        assert waiting.cancelled_caught
        with pipe.open("wb", buffering=0) as writer:
            writer.write(SOUND[:40])
            writer.write(SOUND[40:])
            sound = from_file(file, pace=0)
        assert [chunk async for chunk in sound] == [b"abcd"]


@pytest.mark.parametrize(("path", "why"), [(".", "Is a directory"), ("none", "No such file")])
def test_what_cannot_be_heard_is_named(path: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"'{path}' cannot be read: {why}"):
        heard_from(Path(path)).__enter__()


def test_what_is_no_plain_file_is_written_as_it_comes(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    with spoken_into(Path("/dev/null")) as output:
        output.write(b"abcd")
    with spoken_into(Path("-")) as output:
        output.write(b"abcd")
    assert capfdbinary.readouterr().out.endswith(b"abcd")


async def test_a_reader_who_stands_still_does_not_stop_ctrl_c() -> None:
    reader, writer = os.pipe()
    try:
        with spoken_into(Path(f"/dev/fd/{writer}")) as output:
            with anyio.move_on_after(0.05) as waiting:
                await to_thread.run_sync(output.write, bytes(1 << 20))
            assert waiting.cancelled_caught
        assert len(os.read(reader, 1 << 20)) < 1 << 20
    finally:
        os.close(reader)
        os.close(writer)


def test_a_dash_is_a_standard_stream_and_a_reader_who_leaves_is_told() -> None:
    program = """if True:
        from pathlib import Path
        from chatbots.terminal.sound_files import heard_from, spoken_into
        with heard_from(Path("-")) as file, spoken_into(Path("-")) as output:
            output.write(file.read())
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=-1, stdout=-1, stderr=-1, env=environment_with()
    ) as child:
        assert child.stdout is not None
        child.stdout.close()
        _, told = child.communicate(b"abcd" * 100_000, timeout=60)
    assert told.splitlines()[-1].startswith(b"BrokenPipeError")
