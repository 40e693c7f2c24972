from __future__ import annotations

import pytest

from chatbots.speech.spoken import cardinal, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 42.", "It is forty two."),
        ("3.14 and -5", "three point one four and minus five"),
        ("$12.50, £1, €2.005, $3.00", ("twelve dollars fifty, one pound, two point zero zero five "
         "euros, three dollars")),
        ("in 1889, 1905, 1900 and 2024", ("in eighteen eighty nine, nineteen oh five, nineteen "
         "hundred and twenty twenty four")),
        ("1,889 and 2001", "one thousand eight hundred eighty nine and two thousand one"),
        ("the 1st, 2nd, 3rd, 8th, 20th, 21st", ("the first, second, third, eighth, twentieth, "
         "twenty first")),
        ("100% of A&B", "one hundred percent of A and B"),
        ("20°C at 10:30", "twenty degrees Celsius at ten thirty"),
        ("**bold** `code` [link](https://x.invalid/a)", "bold code link ("),
        ("a well-known and/or thing", "a well known and or thing"),
        ("007 and H2O", "zero zero seven and H two O"),
        ("1234567890123456789012",
         ("one two three four five six seven eight nine zero one two three four five six seven "
         "eight nine zero one two")),
        ("It’s 5 + 5 = 10", "It's five plus five equals ten"),
    ],
)  # fmt: skip
def test_numbers_and_signs_are_said_in_words(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (20, "twenty"),
        (101, "one hundred one"),
        (700, "seven hundred"),
        (1_000_001, "one million one"),
        (10**20, "one hundred quintillion"),
    ],
)
def test_whole_numbers(number: int, words: str) -> None:
    assert cardinal(number) == words


def test_every_number_of_21_digits_has_words_and_no_digit() -> None:
    assert cardinal(10**21 - 1).count("nine hundred ninety nine") == 7
