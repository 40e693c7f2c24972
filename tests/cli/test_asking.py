"""Questions from flags and pipes, in this process and in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from chatbots.provider import tries
from chatbots.terminal import streams
from chatbots.terminal.spinner import CLEAR, FRAMES
from tests.cli.conftest import Runner
from tests.cli.running import PATIENCE, Upstream, ended, process, shell, terminal

AT_ONCE = {"retry-after-ms": "1"}
"""What a server says so that a retry costs the test no time."""

NO_ADDRESS = "is no address of one: https: or data:image/."
PROGRAMS = ["nomem", "memory", "stream"]

every_program = pytest.mark.parametrize("program", PROGRAMS)


@contextmanager
def open_pipe() -> Iterator[TextIO]:
    """Yield a standard input that nobody writes to or closes."""
    source, sink = os.pipe()
    try:
        with os.fdopen(source, encoding="utf-8") as stdin:
            yield stdin
    finally:
        os.close(sink)


# One question


@pytest.mark.checklist(193)
@every_program
def test_a_prompt_is_answered(program: str, upstream: Upstream, run: Runner) -> None:
    upstream.answer("Paris.")
    assert run(program, "--prompt", "Capital of France?") == (0, "Paris.\n", "")
    assert upstream.said() == [("user", "Capital of France?")]


def test_prompts_are_joined_by_a_blank_line(upstream: Upstream, run: Runner) -> None:
    assert run("stream", "--prompt", "One.", "--prompt", "Two.").status == 0
    assert upstream.said() == [("user", "One.\n\nTwo.")]


@pytest.mark.checklist(193)
def test_a_dash_is_standard_input(upstream: Upstream, run: Runner) -> None:
    given = b"def f():\n\n    pass\n\n"
    ran = run("stream", "--prompt", "Explain:", "--prompt", "-", given=given)
    assert ran.status == 0
    assert upstream.said() == [("user", "Explain:\n\ndef f():\n\n    pass")]


def test_standard_input_is_left_alone_otherwise(upstream: Upstream, run: Runner) -> None:
    with open_pipe() as stdin:
        assert run.reading(stdin, "stream", "--prompt", "Hi") == (0, "Hi\n", "")


@every_program
@pytest.mark.parametrize("text", ["Paris.", "Paris.\n", "Paris.\n\n\n"])
def test_an_answer_ends_with_one_newline(
    program: str, text: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer([text])
    assert run(program, "--prompt", "Hi").out == "Paris.\n"


@every_program
def test_a_refusal_is_an_answer(program: str, upstream: Upstream, run: Runner) -> None:
    upstream.answer("I will not.", refusal=True)
    assert run(program, "--prompt", "Hi") == (0, "I will not.\n", "")


@every_program
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("length", "The answer was cut at the length limit."),
        ("content_filter", "The answer was stopped by the provider's filter."),
    ],
)
def test_a_cut_answer_is_shown_and_is_no_success(
    program: str, reason: str, said: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Once upon a", finish_reason=reason)
    assert run(program, "--prompt", "Hi") == (1, "Once upon a\n", f"chatbots: {said}\n")


def test_verbose_sums_up_the_turn(upstream: Upstream, run: Runner) -> None:
    upstream.answer("Once upon", usage={"prompt_tokens": 7, "completion_tokens": 2})
    err = run("stream", "-v", "--prompt", "Hi").err
    assert "chatbots: completed, 7 tokens read, 2 written, session session_" in err
    assert "session" not in run("nomem", "-v", "--prompt", "Hi").err.splitlines()[-1]


# How the model picks words, and what it sees


@every_program
def test_flags_say_how_to_pick_words(program: str, upstream: Upstream, run: Runner) -> None:
    ran = run(
        *(program, "--prompt", "Hi", "--temperature", "0", "--top-p", "0.5", "--max-tokens", "7"),
        *("--stop", "END", "--stop", "\n", "--seed", "0", "--reasoning-effort", "low"),
    )
    assert ran == (0, "Hi\n", "")
    (call,) = upstream.calls
    names = ("temperature", "top_p", "max_tokens", "stop", "seed", "reasoning_effort")
    assert [call.json[name] for name in names] == [0, 0.5, 7, ["END", "\n"], 0, "low"]


def test_flags_hold_for_every_line_of_a_pipe(upstream: Upstream, run: Runner) -> None:
    assert run("stream", "--seed", "7", given=b"One\nTwo\n").status == 0
    assert [call.json["seed"] for call in upstream.calls] == [7, 7]


def test_too_many_texts_to_stop_at_are_refused_in_one_line(run: Runner, upstream: Upstream) -> None:
    stops = [word for n in range(5) for word in ("--stop", str(n))]
    ran = run("stream", "--prompt", "Hi", *stops)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith("chatbots: error: The stop must be at most 4 texts, none empty")
    assert upstream.calls == []


@every_program
def test_images_from_files_and_urls_are_sent_with_the_prompt(
    program: str, upstream: Upstream, run: Runner
) -> None:
    Path("cat.jpg").write_bytes(b"\x89PNG\r\n\x1a\n...")
    ran = run(
        program, "--prompt", "Which?", "--image", "cat.jpg", "--image", "https://example.com/dog"
    )
    assert ran == (0, "Which?\n", "")
    text, cat, dog = upstream.calls[0].json["messages"][0]["content"]
    assert text == {"type": "text", "text": "Which?"}
    assert cat["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgouLi4="
    assert dog == {"type": "image_url", "image_url": {"url": "https://example.com/dog"}}


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("none.png", "The image 'none.png' cannot be read: No such file or directory."),
        (".", "The image '.' cannot be read: Is a directory."),
        ("notes.txt", "The image cannot be sent: it is none of PNG, JPEG, GIF and WebP."),
        ("http://\u00fc", "The image cannot be sent: 'http://\u00fc' " + NO_ADDRESS),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(
    image: str, why: str, upstream: Upstream, run: Runner
) -> None:
    Path("notes.txt").write_text("Buy milk.")
    ran = run("stream", "--prompt", "Hi", "--image", image)
    about = "" if "read" in why else f" This is about {image!r}."
    assert ran == (1, "", f"chatbots: error: {why}{about}\n")
    assert upstream.calls == []


@every_program
def test_reasoning_is_shown_beside_the_answer_if_asked_for(
    program: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Paris.", fault="reasoning")
    assert run(program, "--prompt", "Hi") == (0, "Paris.\n", "")
    upstream.answer("Paris.", fault="reasoning")
    ran = run(program, "--prompt", "Hi", "--show-reasoning")
    assert (ran.status, ran.out) == (0, "Paris.\n")
    assert ran.err.startswith("Let me see.")
    assert ran.err.endswith("\n")


# An answer in a demanded shape

PET = '{"name": "Rex", "age": 3}'
PET_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture
def schema(tmp_path: Path) -> str:
    path = tmp_path / "pet.json"
    path.write_text(json.dumps(PET_SCHEMA), "utf-8-sig")
    return str(path)


@every_program
def test_an_answer_fits_the_schema_of_a_file(
    program: str, schema: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer("Rex, three years.")
    upstream.answer(PET)
    assert run(program, "--schema", schema, "--prompt", "Which pet?") == (0, f"{PET}\n", "")
    assert upstream.calls[0].json["response_format"]["json_schema"] == {
        "name": "answer",
        "schema": PET_SCHEMA,
        "strict": True,
    }


@every_program
def test_each_line_of_a_pipe_is_answered_by_the_schema(
    program: str, schema: str, upstream: Upstream, run: Runner
) -> None:
    for _ in range(2):
        upstream.answer(PET)
    assert run(program, "--schema", schema, given=b"One\nTwo\n").out == f"{PET}\n{PET}\n"
    assert all("response_format" in call.json for call in upstream.calls)


@every_program
def test_an_answer_that_does_not_fit_the_schema_is_no_success(
    program: str, schema: str, upstream: Upstream, run: Runner
) -> None:
    for _ in range(2):
        upstream.answer("{}")
    ran = run(program, "--schema", schema, "--prompt", "Which pet?")
    assert (ran.status, ran.out) == (1, "{}\n")
    assert ran.err.startswith("chatbots: error: The answer does not fit the schema 'answer': $: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be used: there is no such file"),
        (b"{", "holds no JSON schema: "),
        (b"[]", "holds no JSON schema: Expected `object`"),
        (b"null", "holds no JSON schema: Expected `object`"),
        (b"[" * 100_000, "holds no JSON schema: "),
        (b'{"type": "objekt"}', "The JSON schema is none: "),
    ],
)
def test_a_file_without_a_schema_is_told_before_anything_is_asked(
    content: bytes | None, why: str, upstream: Upstream, run: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "schema.json"
    if content is not None:
        path.write_bytes(content)
    ran = run("nomem", "--schema", str(path), "--prompt", "Hi")
    assert (ran.status, ran.out) == (1, "")
    assert why in ran.err
    assert ran.err.count("\n") == 1
    assert upstream.calls == []


# A pipe


@pytest.mark.checklist(189)
@every_program
def test_a_pipe_is_a_question_a_line(program: str, upstream: Upstream, run: Runner) -> None:
    ran = run(program, given=b"One\n\n   \t\nTwo\r\nThree")
    assert ran == (0, "One\nTwo\nThree\n", "")
    assert [call.json["messages"][-1]["content"] for call in upstream.calls] == [
        "One",
        "Two",
        "Three",
    ]


@pytest.mark.checklist(181)
@every_program
def test_ten_turns_use_one_connection(program: str, upstream: Upstream, run: Runner) -> None:
    assert run(program, given=b"Hi\n" * 10).out == "Hi\n" * 10
    assert len(upstream.calls) == 10
    assert upstream.connections == 1


def test_nothing_is_sent_at_the_start(upstream: Upstream, run: Runner) -> None:
    assert run("stream", given=b"") == (0, "", "")
    assert upstream.connections == 0


@every_program
def test_a_failed_turn_says_so_and_the_next_is_asked(
    program: str, upstream: Upstream, run: Runner
) -> None:
    upstream.answer("One.")
    upstream.answer(status=400, error="No such thing.")
    upstream.answer("Three.")
    ran = run(program, given=b"1\n2\n3\n")
    assert (ran.status, ran.out) == (1, "One.\nThree.\n")
    assert ran.err.count("\n") == 1
    assert "No such thing." in ran.err


def test_an_answer_comes_before_the_next_question(upstream: Upstream) -> None:
    """A program at the other end of both pipes can hold a conversation."""
    with process("-m", "chatbots", "memory", stdin=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        for line in (b"Hello\n", b"Still there?\n"):
            child.stdin.write(line)
            assert child.stdout.readline() == line
        assert ended(child) == (0, "", "")


# What cannot be asked


@pytest.mark.checklist(198)
@every_program
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "The prompt is empty."),
        (b" \n\t\n", "The prompt is empty."),
        (b"a\0b", "The prompt has a NUL character."),
        (b"a\xffb", "a byte that is not UTF-8 at character 2."),
        (b"caf\xe9", "a byte that is not UTF-8 at character 4."),
        (b"\xed\xa0\x80", "a byte that is not UTF-8 at character 1."),
        (b"123456", "The prompt has 6 characters; at most 5 are allowed."),
    ],
)
def test_what_cannot_be_sent_is_refused_here(
    program: str,
    given: bytes,
    said: str,
    upstream: Upstream,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHATBOTS_MAX_PROMPT_CHARS", "5")
    ran = run(program, "--prompt", "-", given=given)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("chatbots: error: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert upstream.connections == 0


@pytest.mark.parametrize("text", ["", "  ", "half a pair \ud800", "a byte \udcff"])
def test_a_flag_can_hold_what_cannot_be_sent(text: str, upstream: Upstream, run: Runner) -> None:
    ran = run("stream", "--prompt", text)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert upstream.connections == 0


def test_a_bad_line_does_not_end_the_pipe(upstream: Upstream, run: Runner) -> None:
    ran = run("stream", given=b"a\xffb\nc\0d\nfine\n")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "fine\n", 2)
    assert upstream.said() == [("user", "fine")], "what was refused is not remembered"


# What goes wrong upstream


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry at once."""
    monkeypatch.setattr(tries, "_BACKOFF", 0.001)


@every_program
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "refused the key (status 401): Wrong. Check the key (OPENAI_API_KEY,"),
        (404, "has no such model (status 404): Wrong. Name another with --model"),
        (429, "asks to slow down (status 429): Wrong."),
        (500, "failed (status 500): Wrong."),
    ],
)
def test_what_the_server_says_is_one_line(
    program: str, status: int, said: str, upstream: Upstream, run: Runner
) -> None:
    for _ in range(3):
        upstream.answer(status=status, error="Wrong.", headers=AT_ONCE)
    ran = run(program, "--prompt", "Hi")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err


@every_program
def test_a_server_that_fails_twice_is_asked_again(
    program: str, upstream: Upstream, run: Runner
) -> None:
    for _ in range(2):
        upstream.answer(status=500, error="Not now.", headers=AT_ONCE)
    upstream.answer("Now.")
    assert run(program, "--prompt", "Hi") == (0, "Now.\n", "")
    assert len(upstream.calls) == 3


@pytest.mark.usefixtures("impatient")
def test_a_port_nobody_listens_on(run: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ran = run("stream", "--prompt", "Hi", "--base-url", f"http://127.0.0.1:{port}/v1")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert f"No connection to the model's server at 127.0.0.1:{port}" in ran.err


@pytest.mark.usefixtures("impatient")
def test_a_host_nobody_knows(run: Runner) -> None:
    ran = run("stream", "--prompt", "Hi", "--base-url", "http://model.invalid/v1")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "model.invalid" in ran.err
    assert "Check the network and the base URL." in ran.err


def test_a_base_url_without_scheme_is_refused(run: Runner) -> None:
    ran = run("stream", "--prompt", "Hi", "--base-url", "localhost:8000/v1")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "OPENAI_BASE_URL cannot be used: it needs http:// or https:// in front" in ran.err


def test_a_connection_lost_half_way_leaves_what_was_shown(upstream: Upstream, run: Runner) -> None:
    upstream.answer(["Once", " upon", " a time"], drop_after=2)
    ran = run("stream", "--prompt", "Hi")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "Once upon\n", 1)
    assert "the connection to the model was lost" in ran.err


@pytest.mark.checklist(184, 194)
@every_program
def test_a_timeout_is_the_whole_turns(program: str, upstream: Upstream, run: Runner) -> None:
    upstream.answer("Too late.", hold=upstream.event())
    begun = time.monotonic()
    for seconds in ("0.2", "5"):  # a busy machine may not even ask in so short a time
        ran = run(program, "--prompt", "Hi", "--timeout", seconds)
        if upstream.calls:
            break
    assert time.monotonic() - begun < 20
    assert (ran.status, ran.out) == (1, "")
    assert f"There was no whole answer within {seconds} seconds." in ran.err
    upstream.until(lambda: all(call.hung_up for call in upstream.calls))


def test_a_timeout_leaves_what_was_shown(upstream: Upstream, run: Runner) -> None:
    for seconds in ("0.5", "20"):  # a busy machine may show nothing in half a second
        upstream.begin("Once ", "upon")
        ran = run("stream", "--prompt", "Hi", "--timeout", seconds, "--json")
        shown = [json.loads(line) for line in ran.out.splitlines()]
        if len(shown) > 1:
            break
    assert ran.status == 1
    assert "".join(line["text"] for line in shown[:-1]) == "Once upon"
    assert shown[-1]["state"] == "interrupted"
    assert shown[-1]["error"]["code"] == "upstream_timeout"


# Ctrl-C


@every_program
def test_ctrl_c_before_the_first_word(program: str, upstream: Upstream, run: Runner) -> None:
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: bool(upstream.calls)):
        assert run(program, "--prompt", "Hi") == (130, "", "")
    upstream.until(lambda: upstream.calls[0].hung_up)


def test_ctrl_c_half_way_keeps_what_was_shown(upstream: Upstream) -> None:
    upstream.begin("Once ", "upon")
    with process("-m", "chatbots", "stream", "--prompt", "Hi") as child:
        assert child.stdout
        assert child.stdout.read(9) == b"Once upon"
        child.send_signal(signal.SIGINT)
        assert ended(child) == (130, "\n", "")
    upstream.until(lambda: upstream.calls[0].hung_up)


def test_ctrl_c_as_json_is_a_turn_that_was_cancelled(upstream: Upstream, run: Runner) -> None:
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: bool(upstream.calls)):
        ran = run("stream", "--prompt", "Hi", "--json")
    told = json.loads(ran.out)
    assert (ran.status, told["type"], told["state"]) == (130, "failed", "cancelled")


def test_ctrl_c_ends_a_pipe_without_asking_the_rest(upstream: Upstream, run: Runner) -> None:
    upstream.answer("One.")
    upstream.answer(hold=upstream.event())
    with upstream.interrupting(lambda: len(upstream.calls) == 2):
        assert run("stream", given=b"1\n2\n3\n4\n") == (130, "One.\n", "")
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("argv", [[], ["--prompt", "-"]])
def test_ctrl_c_while_nothing_comes_in(
    argv: list[str], upstream: Upstream, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = streams._wait

    def interrupted(
        ready: Callable[[int, float], bool], descriptor: int, over: threading.Event
    ) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        wait(ready, descriptor, over)

    monkeypatch.setattr(streams, "_wait", interrupted)
    with open_pipe() as stdin:
        assert run.reading(stdin, "stream", *argv) == (130, "", "")
    assert upstream.connections == 0


def test_ctrl_c_ends_a_process_whose_pipe_stays_open(upstream: Upstream) -> None:
    with process("-m", "chatbots", "stream", stdin=subprocess.PIPE, bufsize=0) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"Hi\n")
        assert child.stdout.readline() == b"Hi\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 130
        assert child.stderr
        assert child.stderr.read() == b""
    assert len(upstream.calls) == 1


def test_ctrl_c_twice_ends_a_program_nobody_reads(upstream: Upstream) -> None:
    """The first stops the answer and still waits for the reader, the second does not."""
    upstream.begin(*["0123456789abcdef" * 4096] * 200)
    with process("-m", "chatbots", "stream", "--prompt", "Hi") as child:
        upstream.until(lambda: bool(upstream.calls and upstream.calls[0].blocked))
        child.send_signal(signal.SIGINT)
        upstream.until(lambda: upstream.calls[0].hung_up)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 130
        assert child.stderr
        assert child.stderr.read() == b""


# Standard streams that are not there


@pytest.mark.parametrize("argv", [[], ["--prompt", "Hi"]])
def test_a_closed_input_is_an_empty_one(argv: list[str], upstream: Upstream) -> None:
    ran = shell(f"chatbots stream {' '.join(argv)} <&-")
    assert ran == (0, "Hi\n" if argv else "", "")
    assert len(upstream.calls) == bool(argv)


def test_a_closed_output_is_noticed_before_anything_is_asked(upstream: Upstream) -> None:
    ran = shell("chatbots stream --prompt Hi >&-")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "Standard output is closed" in ran.err
    assert upstream.connections == 0


@pytest.mark.slow
def test_a_closed_error_stream_changes_nothing(upstream: Upstream) -> None:
    assert shell("chatbots stream --prompt Hi 2>&-") == (0, "Hi\n", "")
    upstream.answer(status=400, error="No.")
    assert shell("chatbots stream --prompt Hi 2>&-") == (1, "", "")


def test_a_reader_who_leaves_ends_the_answer(upstream: Upstream) -> None:
    upstream.answer(["one\n", *["more\n"] * 1000], delay=0.01)
    ran = shell("chatbots stream --prompt Hi | head -1; exit ${PIPESTATUS[0]}")
    assert ran == (141, "one\n", "")
    upstream.until(lambda: upstream.calls[0].hung_up)


@pytest.mark.slow
def test_a_full_disk_is_one_line(upstream: Upstream) -> None:
    upstream.begin("Once ")
    ran = shell("chatbots stream --prompt Hi >/dev/full")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "cannot be written to standard output: No space left on device." in ran.err


@pytest.mark.slow
def test_an_encoding_without_the_letters_is_no_error(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    upstream.answer("Grüß dich.")
    assert shell("chatbots stream --prompt Hi") == (0, "Gr?? dich.\n", "")


def test_a_terminal_is_not_steered_by_an_answer(upstream: Upstream) -> None:
    upstream.answer(["\x1b]0;mine\x07", "Hello\r"])
    with terminal("-m", "chatbots", "stream", "--prompt", "Hi") as screen:
        ran = screen.end()
    assert ran.status == 0
    assert "\ufffd]0;mine\ufffdHello\ufffd\r\n" in ran.out


def test_a_spinner_turns_only_until_the_first_word(upstream: Upstream) -> None:
    first = upstream.event()
    upstream.answer("Hello.", hold=first)
    with terminal("-m", "chatbots", "stream", "--prompt", "Hi") as screen:
        screen.wait_for(FRAMES[2])
        upstream.set(first)
        ran = screen.end()
    assert ran.status == 0
    spun, shown = ran.out.split(CLEAR)
    assert set(spun) <= {*FRAMES, "\r"}
    assert shown == "Hello.\r\n"
