"""llm: iterating over the response to a prompt, and the `finish_reason` in its JSON."""

from __future__ import annotations

import json

import llm

from report.clients.telling import Question, Seen, tell

MODEL = "reported"


def answer(question: Question, seen: Seen) -> None:
    """Stream one answer; the model is made known in a file, as llm's documentation has it."""
    known = {
        "model_id": MODEL,
        "model_name": question.model,
        "api_base": question.base_url,
        "api_key_name": MODEL,
    }
    (llm.user_dir() / "extra-openai-models.yaml").write_text(json.dumps([known]), "utf-8")
    response = llm.get_model(MODEL).prompt(question.prompt, key=question.api_key)
    for chunk in response:
        seen.text += chunk
    seen.finish = (response.json() or {}).get("finish_reason")


if __name__ == "__main__":
    tell(answer)
