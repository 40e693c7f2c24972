"""`explain`: Show what the model would be sent, and ask it nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from chatbots.cli.chat import chat_program
from chatbots.cli.outcome import say

if TYPE_CHECKING:
    from chatbots.interfaces import ChatService
    from chatbots.messages import Prompt
    from chatbots.services.recall import Explanation
    from chatbots.settings import Settings

WHY: Final = {
    "no_answer": "nothing came of it",
    "no_room": "no room",
    "older": "older than what the window shows",
    "summed_up": "the summary stands for it",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    purpose = "Show what the model would be sent, and what not and why; it is asked nothing."
    return chat_program("explain", purpose, argv)


async def show_explained(
    service: ChatService, prompt: Prompt, settings: Settings, *, as_json: bool
) -> None:
    """Write to standard output what would be sent for *prompt*, as JSON or for people."""
    import msgspec

    from chatbots.services.conversation import explainer_of
    from chatbots.terminal.console import PlainPaper

    explained = await explainer_of(service).explain(prompt)
    model = prompt.model or settings.openai_model
    body = _body(explained, model)
    if as_json:
        say(msgspec.json.encode(_facts(explained, prompt, model) | body).decode())
        return
    paper = PlainPaper(clean=sys.stdout.isatty())
    for line in (*_lines(explained, model), "", *_said(body["messages"])):
        say(paper.text(line))


def _body(explained: Explanation, model: str) -> dict[str, Any]:
    """Return the messages and the tools as they are on the wire."""
    import msgspec

    from chatbots.provider.wire import encode_request
    from chatbots.sampling import UNSAID

    body = encode_request(explained.request, model=model, default=UNSAID, dialect="openai")
    return {name: msgspec.to_builtins(body.get(name, [])) for name in ("messages", "tools")}


def _facts(explained: Explanation, prompt: Prompt, model: str) -> dict[str, Any]:
    names = ("context", "context_known", "answer", "tokens", "left_out", "summary_due")
    facts = {name: getattr(explained, name) for name in names}
    return {"session": prompt.session, "model": model} | facts


def _lines(explained: Explanation, model: str) -> Iterator[str]:
    total = sum(explained.tokens.values())
    assumed = "" if explained.context_known else ", as is assumed"
    yield f"About {total:,} tokens; {model} reads {explained.context:,}{assumed}."
    for source, tokens in explained.tokens.items():
        yield f"  {source:8}{tokens:10,}"
    yield f"  {'answer':8}{explained.answer:10,}  at most, kept free"
    for gap in explained.left_out:
        which = f"turn {gap.first}" if gap.first == gap.last else f"turns {gap.first} to {gap.last}"
        yield f"Left out: {which}, {WHY[gap.why]}."
    if explained.summary_due:
        yield "First the model would be asked to sum up what is left out for want of room."


def _said(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message.get("content") or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts = [part.get("text", f"[{part['type']}]") for part in parts]
        calls = [call["function"] for call in message.get("tool_calls", ())]
        texts += [f"[calls {call['name']}({call['arguments']})]" for call in calls]
        yield f"{message['role']}: {' '.join(filter(None, texts))}"


if __name__ == "__main__":
    sys.exit(main())
