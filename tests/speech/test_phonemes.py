from __future__ import annotations

import pytest

from chatbots.speech.phonemes import Entry, Phonemizer

GOLD: dict[str, Entry] = {
    "apple": "ˈæpᵊl",
    "city": "sˈɪɾi",
    "box": "bˈɑks",
    "stop": "stˈɑp",
    "want": "wˈɑnt",
    "make": "mˈAk",
    "hop": "hˈɑp",
    "quick": "kwˈɪk",
    "try": "tɹˈI",
    "bush": "bˈʊʃ",
    "rob": "ɹˈɑb",
    "Paris": "pˈɛɹəs",
    "live": {"DEFAULT": "lˈIv", "VERB": "lˈɪv"},
    "odd": {"DEFAULT": None},
    "mister": "mˈɪstəɹ",
    **{letter: f"ˈ{letter.lower()}" for letter in "NBC"},
}
SILVER: dict[str, Entry] = {"odd": "ˈɑd", "apple": "wrong", "NATO": "nˈATO"}
SAY = Phonemizer(GOLD, SILVER, lambda word: f"<{word}>")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Paris, city.", "pˈɛɹəs, sˈɪɾi."),
        ("PARIS city!", "pˈɛɹəs sˈɪɾi!"),
        ("live odd apple", "lˈIv ˈɑd ˈæpᵊl"),
        ("zyx zyxes zyxing 5", "<zyx> <zyxes> <zyxing>"),
        ("NBC NATO", "ˌnˌbˈc nˈATO"),
        ("Mr. Box", "mˈɪstəɹ. bˈɑks"),
        ("apples boxes cities city's stops", "ˈæpᵊlz bˈɑksᵻz sˈɪɾiz sˈɪɾiz stˈɑps"),
        ("bushes makes", "bˈʊʃᵻz mˈAks"),
        ("hopped wanted tried robbed stopped", "hˈɑpt wˈɑntᵻd tɹˈId ɹˈɑbd stˈɑpt"),
        ("hopping making wanting quickly", "hˈɑpɪŋ mˈAkɪŋ wˈɑntɪŋ kwˈɪkli"),
        ("the city the apple the", "ðə sˈɪɾi ði ˈæpᵊl ðə"),
        ("to make to apple to", "tə mˈAk tʊ ˈæpᵊl tu"),
        ("I want a box, an apple", "ˌI wˈɑnt ɐ bˈɑks, ɐn ˈæpᵊl"),
        ("A box", "ɐ bˈɑks"),
        ("is", "<is>"),
        ("", ""),
    ],
)
def test_text_as_it_sounds(text: str, said: str) -> None:
    assert SAY(text) == said
