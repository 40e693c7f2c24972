"""English words as the phonemes that the voice was trained on (misaki's American set)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Entry: TypeAlias = str | Mapping[str, str | None]
"""How a word is said, or how it is said as which part of speech, with a `DEFAULT`."""

_TOKENS: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[;:,.!?—…]")
_VOWELS: Final = frozenset("AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻɐ")
_UNVOICED: Final = "ptkfθ"
_HISSING: Final = "szʃʒʧʤ"
_SPELLED: Final = 5
"""Capitals up to this many, in no dictionary, are read letter by letter."""
_ABBREVIATIONS: Final[dict[str, str]] = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "vs": "versus",
}


class Phonemizer:
    """Says how text sounds: two dictionaries, the endings of English, and *guess* for the rest.

    The entries of *gold* were checked by people and come first.
    """

    def __init__(
        self,
        gold: Mapping[str, Entry],
        silver: Mapping[str, Entry],
        guess: Callable[[str], str],
    ) -> None:
        self._dictionaries = (gold, silver)
        self._guess = guess

    def __call__(self, text: str) -> str:
        """Return the phonemes of *text*, in which numbers are words already (see `spoken`)."""
        said: list[str] = []
        following = ""
        # From the end: how "the" sounds depends on what comes after it.
        for token in reversed(list(_tokens(text))):
            if token[0].isalpha():
                following = self._word(token, following)
                said.append(f" {following}")
            else:
                following = ""
                said.append(token)
        return "".join(reversed(said)).strip()

    def _word(self, word: str, following: str) -> str:
        before_vowel = following.lstrip("ˈˌ")[:1] in _VOWELS if following else None
        weak = _weak(word.lower(), before_vowel)
        if weak is not None and (word != word.upper() or word in ("I", "A")):
            return weak
        return (
            self._known(word)
            or self._inflected(word)
            or (self._spelled(word) if word.isupper() and len(word) <= _SPELLED else "")
            or self._guess(word.lower())
        )

    def _known(self, word: str) -> str:
        for dictionary in self._dictionaries:
            for form in (word, word.lower(), word.capitalize()):
                entry = dictionary.get(form)
                said = entry.get("DEFAULT") if isinstance(entry, Mapping) else entry
                if said:
                    return said
        return ""

    def _inflected(self, word: str) -> str:
        """Take an ending off, look the stem up in its spellings, and say the ending after it."""
        for ending, stems, say in _ENDINGS:
            bare = word.lower().removesuffix(ending)
            if bare == word.lower() or len(bare) < 2:
                continue
            for stem in stems:
                doubled = stem == "-" and bare[-1] == bare[-2]
                if said := self._known(bare[:-1] if doubled else bare + stem.strip("-")):
                    return say(said)
        return ""

    def _spelled(self, word: str) -> str:
        letters = "".join(self._known(letter) for letter in word).replace("ˈ", "ˌ")
        return "ˈ".join(letters.rsplit("ˌ", 1))


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKENS.finditer(text):
        yield _ABBREVIATIONS.get(match[0].lower(), match[0])


def _weak(word: str, before_vowel: bool | None) -> str | None:
    """Return the weak form of a small word, by whether a vowel follows; None: nothing follows."""
    match word:
        case "the":
            return "ði" if before_vowel else "ðə"
        case "a":
            return "ɐ"
        case "an":
            return "ɐn"
        case "to":
            return {None: "tu", False: "tə", True: "tʊ"}[before_vowel]
        case "i":
            return "ˌI"
        case _:
            return None


def _s(stem: str) -> str:
    if stem[-1] in _UNVOICED:
        return f"{stem}s"
    return f"{stem}ᵻz" if stem[-1] in _HISSING else f"{stem}z"


def _ed(stem: str) -> str:
    if stem[-1] in "td":
        return f"{stem}ᵻd"
    return f"{stem}t" if stem[-1] in "pkfθʃsʧ" else f"{stem}d"


_ENDINGS: Final[tuple[tuple[str, tuple[str, ...], Callable[[str], str]], ...]] = (
    ("'s", ("",), _s),
    ("ies", ("y",), _s),
    ("es", ("e", ""), _s),
    ("s", ("",), _s),
    ("ied", ("y",), _ed),
    ("ed", ("e", "", "-"), _ed),
    ("ing", ("", "e", "-"), lambda stem: f"{stem}ɪŋ"),
    ("ly", ("",), lambda stem: f"{stem}li"),
)
"""Each ending, what may stand in its place (`-`: one of two equal letters), how it is said."""
