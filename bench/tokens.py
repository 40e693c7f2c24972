"""How far the estimates of `chatbots.sessions.tokens` are off, against real tokenizers.

python -m bench.tokens            count again, keep the counts, print the table of docs/memory.md
python -m bench.tokens --table    print that table from the counts that are kept
python -m bench.tokens --fit      print the weights that suit `texts/fit.toml` best

o200k and cl100k are OpenAI's, as the package litellm has them with it; Qwen's is that of the local
model, asked of llama.cpp. Nothing is fetched but that package, by pip, where it is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import mul
from pathlib import Path
from typing import Final, TypeAlias
from urllib.request import Request, urlopen

import anyio

from bench.environments import interpreter
from chatbots.clients import local_model
from chatbots.sessions import tokens
from chatbots.settings import Settings

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "tokens.json"
NAMES: Final = ("o200k", "cl100k", "qwen")

COUNT: Final = """
import json, os, sys
from importlib.util import find_spec
where = find_spec("litellm").submodule_search_locations[0]
os.environ["TIKTOKEN_CACHE_DIR"] = where + "/litellm_core_utils/tokenizers"
import tiktoken
of = [tiktoken.get_encoding(name) for name in ("o200k_base", "cl100k_base")]
texts = json.load(sys.stdin)
found = [[len(one.encode(text, disallowed_special=())) for one in of] for text in texts]
json.dump(found, sys.stdout)
"""

Counts: TypeAlias = dict[str, int]


def texts(half: str) -> dict[str, str]:
    """Return the texts of `fit` or `held_out`, by their kind."""
    return tomllib.loads((HERE / "texts" / f"{half}.toml").read_text("utf-8"))


def counted(said: Sequence[str]) -> list[Counts]:
    """Return how many tokens each text has, by the name of the tokenizer."""
    done = subprocess.run(
        [interpreter("litellm"), "-c", COUNT],
        input=json.dumps(said),
        capture_output=True,
        text=True,
        check=True,
    )
    openai = json.loads(done.stdout)
    qwen = anyio.run(_qwen, said)
    return [
        dict(zip(NAMES, (*both, one), strict=True)) for both, one in zip(openai, qwen, strict=True)
    ]


async def _qwen(said: Sequence[str]) -> list[int]:
    model = await local_model(Settings())
    try:
        endpoint = await model.endpoint()
        where = endpoint.base_url.removesuffix("/v1") + "/tokenize"
        headers = {"authorization": f"Bearer {endpoint.api_key}"}
        found: list[int] = []
        for text in said:
            body = json.dumps({"content": text}).encode()
            request = Request(where, body, headers)  # noqa: S310 (loopback)
            with urlopen(request) as answer:  # noqa: ASYNC210, S310 (nothing else runs)
                found.append(len(json.load(answer)["tokens"]))
        return found
    finally:
        await model.aclose()


def measure() -> dict[str, dict[str, Counts]]:
    """Count the tokens of every text, and keep the counts."""
    found = {half: texts(half) for half in ("fit", "held_out")}
    each = iter(counted([text for half in found.values() for text in half.values()]))
    result = {half: {kind: next(each) for kind in of} for half, of in found.items()}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return result


def table() -> Iterator[str]:
    """Yield the lines of a table: how far the estimates of the texts held out are off."""
    kept: dict[str, dict[str, Counts]] = json.loads(RESULT.read_text("utf-8"))
    heads = ("text", "characters", "estimate", "o200k", "cl100k", "Qwen2.5")
    yield f"| {' | '.join(heads)} | a quarter of the characters |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    sums = [0.0] * 4
    for kind, text in texts("held_out").items():
        real = kept["held_out"][kind]
        about = tokens.estimate(text)
        errors = [about / real[name] - 1 for name in NAMES]
        errors.append(len(text) / 4 / ((real["o200k"] + real["qwen"]) / 2) - 1)
        sums = [total + abs(error) for total, error in zip(sums, errors, strict=True)]
        yield f"| {kind} | {len(text)} | {about} | {_cells(errors, '+.0%')} |"
    mean = [total / len(kept["held_out"]) for total in sums]
    yield f"| *mean distance* | | | {_cells(mean, '.0%')} |"


def _cells(numbers: Sequence[float], form: str) -> str:
    return " | ".join(format(number, form) for number in numbers)


def fit() -> Iterator[str]:
    """Yield the weight of each class of characters that leaves the least error, squared."""
    said = [piece for text in texts("fit").values() for piece in (text, *_thirds(text))]
    goals = [(one["o200k"] + one["qwen"]) / 2 for one in counted(said)]
    rows = [
        [number / goal for number in tokens.features(text)]
        for text, goal in zip(said, goals, strict=True)
    ]
    weights = list(tokens.WEIGHTS)
    for _ in range(500):
        for column, weight in enumerate(weights):
            up, down = 0.0, 0.0
            for row in rows:
                if column < len(row):
                    off = 1 - sum(map(mul, weights, row))
                    up, down = up + row[column] * off, down + row[column] ** 2
            # Bounded, where these texts say little of a class; a byte is no two tokens.
            low, high = (0.2, 2.0 if column > 6 else 1.0) if column else (-1.0, 0.0)
            weights[column] = min(high, max(low, weight + up / down))
    yield " ".join(f"{weight:.2f}" for weight in weights)


def _thirds(text: str) -> Iterator[str]:
    """Yield a text in three parts, cut at spaces."""
    third = len(text) // 3
    cuts = [0, *(max(text.find(" ", at), at) for at in (third, 2 * third)), len(text)]
    return (text[a:b] for a, b in pairwise(cuts))


def main(argv: Sequence[str]) -> None:
    """Do what the first word says."""
    if argv == ["--fit"]:
        lines = fit()
    else:
        if argv != ["--table"]:
            measure()
        lines = table()
    print(*lines, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
