from __future__ import annotations

import json

import pytest

from chatbots.errors import ConfigurationError
from chatbots.tools.mcp_servers import McpServer, read_servers


def read(servers: object, **variables: str) -> list[McpServer]:
    return read_servers(json.dumps({"mcpServers": servers}), variables, notice=pytest.fail)


def test_a_file_names_servers_as_other_programs_have_it() -> None:
    local, remote = read(
        {
            "time": {"command": "uvx", "args": ["mcp-server-time"], "cwd": "/srv", "timeout": 5},
            "off": {"command": "no", "disabled": True},
            "notes": {"type": "http", "url": "https://notes.example/mcp", "confirm": False},
        }
    )
    assert local == McpServer(
        name="time", command="uvx", args=("mcp-server-time",), cwd="/srv", timeout=5
    )
    assert (remote.name, remote.url, remote.confirm) == (
        "notes",
        "https://notes.example/mcp",
        False,
    )


def test_variables_are_filled_in_from_what_is_given() -> None:
    (server,) = read(
        {"a": {
            "command": "${HERE}/run", "args": ["--at", "${PLACE:-home}", "$X"],
            "env": {"KEY": "k-${KEY}"},
        }},
        HERE="/opt", KEY="1",
    )  # fmt: skip
    assert (server.command, server.args) == ("/opt/run", ("--at", "home", "$X"))
    assert server.env == {"KEY": "k-1"}


def test_what_is_not_known_is_ignored_with_a_notice() -> None:
    notices: list[str] = []
    text = json.dumps({"mcpServers": {"a": {"command": "x", "autoApprove": [], "alwaysAllow": 1}}})
    assert read_servers(text, {}, notice=notices.append) == [McpServer(name="a", command="x")]
    (said,) = notices
    assert "'a'" in said
    assert "alwaysAllow, autoApprove" in said


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"a": "x"}, "'a' .* it is no object"),
        ({"a": {}}, "'a' .* either a command or a url"),
        ({"a": {"command": "x", "url": "http://x"}}, "either a command or a url"),
        ({"a": {"type": "sse", "url": "http://x"}}, "'a' .* 'sse' is not spoken"),
        ({"a": {"command": "x", "args": "y"}}, "'a' .*array"),
        ({"a": {"command": "x", "timeout": 0}}, "a timeout is more than 0"),
        ({"a": {"command": "x", "env": {"K": "${NOT_SET}"}}}, "'a' .* NOT_SET, which is not set"),
        ({"a": {"url": "ftp://x"}}, "'ftp://x' is no address"),
        ({"a": {"url": "http://x:99999"}}, "is no address"),
        ({"": {"command": "x"}}, "it has no name"),
        ([], 'no "mcpServers"'),
    ],
)
def test_what_can_be_no_server_is_refused_by_name(said: object, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        read(said)
    assert (caught.value.code, caught.value.param) == ("invalid_setting", "mcp")


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000])
def test_a_file_that_is_no_json_object_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no JSON object") as caught:
        read_servers(text, {}, notice=pytest.fail)
    assert "mcpServers" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("word", "name", "rest"),
    [
        ("uvx mcp-server-time", "mcp-server-time", ("uvx", "mcp-server-time")),
        ("npx -y @some/server-files@1.2 /srv", "server-files",
         ("npx", "-y", "@some/server-files@1.2", "/srv")),
        ("python -m my_server", "my_server", ("python", "-m", "my_server")),
        ("'/a b/tools.py' x", "tools", ("/a b/tools.py", "x")),
        ("files=npx 'a b'", "files", ("npx", "a b")),
        ("python", "python", ("python",)),
    ],
)  # fmt: skip
def test_a_word_is_a_command_with_or_without_a_name(
    word: str, name: str, rest: tuple[str, ...]
) -> None:
    server = McpServer.of(word)
    assert (server.name, (server.command, *server.args)) == (name, rest)


def test_a_word_is_a_url_with_or_without_a_name() -> None:
    assert McpServer.of("https://mcp.example.com:8000/mcp?a=b") == McpServer(
        name="mcp_example_com", url="https://mcp.example.com:8000/mcp?a=b"
    )
    assert McpServer.of("notes=HTTP://localhost/mcp").name == "notes"


@pytest.mark.parametrize(
    ("word", "why"), [("  ", "it is empty"), ("a 'b", "cannot be read: No closing quotation")]
)
def test_a_word_that_is_no_command_is_refused(word: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        McpServer.of(word)


def test_its_secrets_are_not_shown() -> None:
    server = McpServer(name="a", url="http://x", headers={"Authorization": "Bearer hidden"})
    assert repr(server) == "McpServer('a')"
