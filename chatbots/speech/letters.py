"""How a word that no dictionary has is said: a small network that read the CMU dictionary.

The network is g2p-en's (Apache-2.0): a recurrent encoder over letters, a decoder over ARPAbet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

_VOWELS: Final = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ",
    "EY": "A", "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
_CONSONANTS: Final = {
    "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t",
    "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_STRESSES: Final = ("", "ˈ", "ˌ")
_REDUCED: Final = {"AH": "ə", "ER": "əɹ"}
"""Without stress."""


def _sounds() -> tuple[str, ...]:
    """What the decoder's classes mean, in its order: the alphabet, each vowel at each stress."""
    sounds = dict(_CONSONANTS)
    for name, said in _VOWELS.items():
        for stress, mark in enumerate(_STRESSES):
            reduced = _REDUCED.get(name, said) if not stress else said
            sounds[f"{name}{stress}"] = f"{mark}{reduced}"
    sounds["UW"] = "u"  # The network's list has it without a stress too.
    return tuple(sounds[name] for name in sorted(sounds))


_SOUNDS: Final = ("", "", "", "", *_sounds())
_START: Final = 2
_END: Final = 3
_FIRST_LETTER: Final = 3
_WORD_END: Final = 2
_LONGEST: Final = 20


class Letters:
    """Guesses how a lower-case word is said, from the weights in the file at *path*."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as weights:
            self._weights: dict[str, Any] = dict(weights)

    def __call__(self, word: str) -> str:
        """Return the phonemes of *word*; some 2 ms."""
        weights = self._weights
        state: Any = np.zeros(weights["enc_w_hh"].shape[1], np.float32)
        letters = [
            ord(letter) - ord("a") + _FIRST_LETTER for letter in word if "a" <= letter <= "z"
        ]
        for letter in (*letters, _WORD_END):
            state = self._step("enc", letter, state)
        said: list[str] = []
        sound = _START
        for _ in range(_LONGEST):
            state = self._step("dec", sound, state)
            sound = int((weights["fc_w"] @ state + weights["fc_b"]).argmax())
            if sound == _END:
                break
            said.append(_SOUNDS[sound])
        return "".join(said)

    def _step(self, half: str, symbol: int, state: Any) -> Any:
        """One step of a gated recurrent unit (Cho et al. 2014, in the variant of cuDNN)."""
        weights = self._weights
        of_input = (
            weights[f"{half}_w_ih"] @ weights[f"{half}_emb"][symbol] + weights[f"{half}_b_ih"]
        )
        of_state = weights[f"{half}_w_hh"] @ state + weights[f"{half}_b_hh"]
        size = state.shape[0]
        reset, update = np.split(1 / (1 + np.exp(-(of_input + of_state)[: 2 * size])), 2)
        fresh = np.tanh(of_input[2 * size :] + reset * of_state[2 * size :])
        return (1 - update) * fresh + update * state
