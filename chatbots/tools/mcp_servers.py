"""MCP servers as they are named: in a file that other programs know too, or in a word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec

from chatbots.errors import ConfigurationError
from chatbots.tools.tool import DEFAULT_TIMEOUT

START_TIMEOUT: Final = 30.0
"""Seconds a server may take until its tools are known."""

_NAMED: Final = re.compile(r"([a-zA-Z0-9_-]+)=(.+)", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_URL: Final = re.compile(r"https?://", re.IGNORECASE)
_RUNNERS: Final = frozenset(
    {"npx", "uvx", "uv", "pipx", "run", "python", "python3", "node", "bunx", "docker", "deno"}
)
_TRANSPORTS: Final = ("stdio", "http", "streamable-http", "streamableHttp", "streamable_http")


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of tools: a `command` that is run and spoken to by its pipes, or a `url`.

    `env` is added to the few variables a server gets of ours: PATH, HOME and their like.
    `headers` go with every request to a `url`. `timeout` is of a call, `start_timeout` until
    the tools are known, in seconds. `confirm`: True asks a person before every call, False never;
    None asks unless the server says of the tool that it only reads.
    Raises `ConfigurationError` (`invalid_setting`) for what can be no server.
    """

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = {}
    timeout: float = DEFAULT_TIMEOUT
    start_timeout: float = START_TIMEOUT
    confirm: bool | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise _unusable(self.name, "it has no name")
        if bool(self.command) == bool(self.url):
            raise _unusable(self.name, "it needs either a command or a url")
        if self.url and not _is_address(self.url):
            raise _unusable(self.name, f"{self.url!r} is no address, as http://localhost/mcp is")
        if min(self.timeout, self.start_timeout) <= 0:
            raise _unusable(self.name, "a timeout is more than 0 seconds")

    def __repr__(self) -> str:
        return f"McpServer({self.name!r})"  # the variables and the headers may be secrets

    @classmethod
    def of(cls, word: str) -> McpServer:
        """Return the server in a *word*: `COMMAND`, `URL`, `NAME=COMMAND` or `NAME=URL`.

        Without a name it is named for the host, or for the first part of the command that tells.
        """
        match = _NAMED.fullmatch(word)
        name, rest = match.groups() if match else ("", word)
        if _URL.match(rest):
            return cls(name=name or _spelled(urlsplit(rest).hostname or ""), url=rest)
        try:
            command, *args = shlex.split(rest)
        except ValueError as error:
            why = "it is empty" if not rest.strip() else f"it cannot be read: {error}"
            raise _unusable(word, why) from None
        return cls(name=name or _told_by([command, *args]), command=command, args=tuple(args))


def read_servers(
    text: str, variables: Mapping[str, str], *, notice: Callable[[str], None]
) -> list[McpServer]:
    """Return the servers in *text*: `{"mcpServers": {NAME: {"command": ...} or {"url": ...}}}`.

    `${NAME}` and `${NAME:-default}` in it are taken from *variables*. What other programs keep
    there and we do not know is told to *notice*; a server that is `disabled` is left out.
    Raises `ConfigurationError` for what cannot be used.
    """
    try:
        servers = msgspec.json.decode(text, type=dict[str, object]).get("mcpServers")
    except (msgspec.DecodeError, RecursionError) as error:
        raise _broken(f"it is no JSON object: {error}") from None
    if not isinstance(servers, dict):
        raise _broken('it has no "mcpServers" with an object of servers')
    found = cast("dict[str, object]", servers).items()
    return [one for name, said in found if (one := _read(name, said, variables, notice))]


def _read(
    name: str, said: object, variables: Mapping[str, str], notice: Callable[[str], None]
) -> McpServer | None:
    if not isinstance(said, dict):
        raise _unusable(name, "it is no object")
    fields = cast("dict[str, object]", said)
    if fields.get("disabled") is True:
        return None
    if (kind := fields.get("type", "stdio")) not in _TRANSPORTS:
        raise _unusable(name, f"its type {kind!r} is not spoken here; stdio and http are")
    known = {*McpServer.__struct_fields__} - {"name"}
    if strange := ", ".join(sorted(fields.keys() - known - {"type", "disabled"})):
        notice(f"The MCP server {name!r} has what is not known here and is ignored: {strange}.")
    kept = {key: _filled(fields[key], variables, name) for key in fields.keys() & known}
    try:
        return msgspec.convert({"name": name, **kept}, McpServer)
    except msgspec.ValidationError as error:
        raise _unusable(name, str(error)) from None


def _filled(value: object, variables: Mapping[str, str], name: str) -> object:
    """Return *value* with what its texts name of *variables*."""

    def variable(match: re.Match[str]) -> str:
        text = variables.get(match[1]) or match[2]
        if text is None:
            raise _unusable(name, f"it names the variable {match[1]}, which is not set")
        return text

    if isinstance(value, str):
        return _VARIABLE.sub(variable, value)
    if isinstance(value, list):
        return [_filled(one, variables, name) for one in cast("list[object]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return {key: _filled(one, variables, name) for key, one in pairs}
    return value


def _told_by(command: list[str]) -> str:
    """Return what *command* runs, by name: `server-time` of `npx -y @somebody/server-time@1`."""
    words: Iterator[str] = (PurePath(word).name for word in command if not word.startswith("-"))
    told = next((word for word in words if word and word not in _RUNNERS), command[0])
    return _spelled(told.partition("@")[0].removesuffix(".py").removesuffix(".js"))


def _spelled(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9-]+", "_", text).strip("_")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(_URL.match(url) and parts.hostname and parts.port != 0)
    except ValueError:
        return False


def _unusable(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        "invalid_setting", f"The MCP server {name!r} cannot be used: {why}.", param="mcp"
    )


def _broken(why: str) -> ConfigurationError:
    return ConfigurationError(
        "invalid_setting",
        f"The file of MCP servers cannot be used: {why}.",
        hint='It looks like {"mcpServers": {"time": {"command": "uvx", "args": ["..."]}}}.',
        param="mcp",
    )
