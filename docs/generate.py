"""Write what is made from the code: pages, tables in pages, .env.example.

`--check` writes nothing and fails where a page is not what the code says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from chatbots.errors import ChatError
from chatbots.realtime import turns
from chatbots.realtime.events.beta import BETA_NAMES
from chatbots.realtime.events.registry import CLIENT, REFERENCE_CLIENT, REFERENCE_SERVER, SERVER
from chatbots.server_settings import ServerSettings
from chatbots.sessions.turn import TABLE, diagram
from chatbots.settings import Settings
from chatbots.testing.faults import names
from chatbots.testing.faults.steps import Fault
from chatbots.testing.realtime.steps import SocketFault
from docs import checklist, reference

ROOT: Final = Path(__file__).parent.parent

NOTE: Final = "<!-- Made by `make docs` from {source}; edit that. -->\n"


def errors_page() -> str:
    """Return the page of error codes."""
    rows = "\n".join(
        f"| `{code}` | `{kind.__name__}` | {about.category} | {'yes' if about.retryable else 'no'} "
        f"| {about.exit} | {about.http} | {about.close} | {about.meaning} |"
        for kind in ChatError.__subclasses__()
        for code, about in kind.CODES.items()
    )
    return f"""# Errors

{NOTE.format(source="chatbots/errors.py")}
Every error is a `ChatError` with a `.code`, a `.message`, `.retryable`, `.retry_after` in seconds,
a `.hint` that says what to do, and the `.partial` text of the answer that had arrived.
Its class says who must act:
the operator (`ConfigurationError`), the caller (`InvalidRequest`, `AccessDenied`), the
model's server (`ProviderError`), the session store (`StorageError`), what a tool stands on
(`ToolError`), or nobody (`TurnCancelled`).

*Retryable* says whether the same request may succeed later; a server can say otherwise for one.
*Exit* is the exit status of a program, *HTTP* and *close* are the status and the WebSocket close
code for servers that pass the error on.

| code | class | category | retryable | exit | HTTP | close | meaning |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def settings_page() -> str:
    """Return the page of settings."""
    rows = "\n".join(
        f"| `{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in _fields()
    )
    return f"""# Settings

{NOTE.format(source="chatbots/settings.py")}
Every setting is a variable of the environment, a line in `.env` in the current folder, and a field
of `Settings` in lower case.
The strongest wins: a flag of the command, the environment, `.env`, `instructions.txt` (for the
instructions), the default.
A variable that is empty counts as not set.
`/info` says which ones a server, `chatbots serve`, has.
`Settings(...)` reads nothing; `Settings.load()` reads the environment and the files.

What is of a database server, `DB_HOST`, `DB_PORT`, `DB_USER` and `DB_PASSWORD`, is checked already,
but no program of this version uses it.

| variable | default | meaning |
| --- | --- | --- |
{rows}
"""


def fake_server_page() -> str:
    """Return the page of the fake server: written by hand, but for the tables of faults."""
    written = (ROOT / "docs/fake-server.md").read_text("utf-8")
    tables: list[tuple[str, Mapping[str, Fault | SocketFault]]] = [
        ("before", names.BEFORE),
        ("inside", names.INSIDE),
        ("socket", names.SOCKET),
    ]
    for mark, faults in tables:
        rows = [
            f"| `{names.shown(name, faults)}` | {each.about} |" for name, each in faults.items()
        ]
        table = "\n".join(["| fault | what goes over the wire |", "| --- | --- |", *rows])
        start, end = f"<!-- {mark}: made by `make docs` -->\n", f"\n<!-- end of {mark} -->"
        head, _, rest = written.partition(start)
        written = head + start + table + end + rest.partition(end)[2]
    return written


def stores_page() -> str:
    """Return the page of stores: written by hand, but for the table of a turn's life."""
    written = (ROOT / "docs/stores.md").read_text("utf-8")
    start, end = "<!-- turn: made by `make docs` -->\n", "<!-- end of turn -->"
    head, _, rest = written.partition(start)
    rows = [
        f"| {deed} | {', '.join(sorted(rule.of)) or 'nothing yet'} | {', '.join(sorted(rule.to))} "
        f"| {', '.join(rule.writes)} |"
        for deed, rule in TABLE.items()
    ]
    table = ["| deed | of a turn that is | which is then | writes |", "| --- | --- | --- | --- |"]
    drawn = ["```mermaid", diagram(), "```", "", *table, *rows, ""]
    return head + start + "\n".join(drawn) + end + rest.partition(end)[2]


def realtime_page() -> str:
    """Return the page of the realtime protocol: its names in both dialects, and its tables."""
    others = "\n".join(f"| `{old}` | `{now}` |" for now, old in BETA_NAMES.items())
    cut = "\n".join(f"| {u} | {m} | {to} |" for (u, m), to in turns.BARGE_IN.items())
    return f"""# The realtime protocol

{NOTE.format(source="chatbots/realtime/")}
`chatbots/realtime/events/` has a class for each event of the Realtime API:
{len(CLIENT)} that a client sends and {len(SERVER)} that a server sends.
The beta dialect knew {len(REFERENCE_CLIENT)} and {len(REFERENCE_SERVER)} of them.
An event of either dialect is of one class, so one handler serves both.
What a session is told may be said in either's words; it is sent in those of the dialect spoken.
An event that is not known, or not like that, is an `UnknownEvent` with its raw payload.

| in the beta dialect | today |
| --- | --- |
{others}

## Who has the word

What is not in these tables, `chatbots/realtime/turns.py`, changes nothing and is counted.
The user:

```mermaid
{turns.diagram(turns.USER)}
```

The model; *asked*: a response has not begun; *sounding*: it is whole and still being played:

```mermaid
{turns.diagram(turns.MODEL)}
```

Barge-in, where the session lets the user cut in:

| the user is | the model was | and is then |
| --- | --- | --- |
{cut}
"""


def checklist_page() -> str:
    """Return the page of the checklist."""
    return checklist.page(ROOT)


def example_file() -> str:
    """Return the example of a settings file: everything there is, nothing set."""
    lines = [
        "# Copy this to .env and take the # away from what you want to set.",
        "# Made by `make docs` from chatbots/settings.py; docs/settings.md says more.",
    ]
    for name, field in _fields():
        lines += ["", f"# {field.description}", f"# {name.upper()}={_example(name, field)}"]
    return "\n".join(lines) + "\n"


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    """Yield the settings that all programs share, and then those of the server."""
    both = Settings.model_fields.items()
    yield from (row for row in both if row[0] not in ServerSettings.model_fields)
    yield from (row for row in both if row[0] in ServerSettings.model_fields)


def _default(field: FieldInfo) -> str:
    shown = _shown(field)
    return f"`{shown}`" if shown else "none"


def _example(name: str, field: FieldInfo) -> str:
    seed = {
        "openai_base_url": "https://api.openai.com/v1",
        "openai_max_tokens": "1000",
        "openai_temperature": "0.7",
    }
    return seed.get(name) or _shown(field)


def _shown(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(int(value)) if isinstance(value, bool) else f"{value}"


PAGES: Final = {
    "docs/errors.md": errors_page,
    "docs/settings.md": settings_page,
    "docs/fake-server.md": fake_server_page,
    "docs/stores.md": stores_page,
    "docs/realtime-protocol.md": realtime_page,
    "docs/checklist.md": checklist_page,
    "docs/reference.md": reference.page,
    ".env.example": example_file,
}


def main(*, check: bool) -> int:
    """Write the pages, or compare them; return the exit status."""
    stale = 0
    for name, page in PAGES.items():
        path = ROOT / name
        now = page()
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != now:
                print(f"{name} is not what the code says: run make docs")
                stale = 1
        else:
            path.write_text(now, encoding="utf-8")
    return stale


if __name__ == "__main__":
    raise SystemExit(main(check="--check" in sys.argv[1:]))
