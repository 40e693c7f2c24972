"""Reads the corpora; their README says what a line is."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec import Struct, convert

FOLDER = Path(__file__).with_name("corpora")


class Case(Struct, frozen=True, forbid_unknown_fields=True):
    text: str | list[str | tuple[str, int]]
    kind: str = ""
    tool: str = ""
    refused: bool = False
    value: str | None = None

    @property
    def sent(self) -> str:
        pieces = [self.text] if isinstance(self.text, str) else self.text
        return "".join(piece if isinstance(piece, str) else piece[0] * piece[1] for piece in pieces)


class Product(Struct, frozen=True, forbid_unknown_fields=True):
    a: str
    b: str
    value: str


def cases(name: str) -> list[Case]:
    return [convert(json.loads(line), Case) for line in lines(name)]


def products() -> list[Product]:
    return [convert(json.loads(line), Product) for line in lines("multiply_exact")]


def lines(name: str) -> list[str]:
    return (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
