from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chatbots.speech.letters import Letters

LETTERS, SOUNDS, SIZE = 29, 74, 4


def network(folder: Path, **weights: object) -> Letters:
    """A network whose weights are all zero but for those that are given."""
    shapes = {
        "enc_emb": (LETTERS, SIZE),
        "dec_emb": (SOUNDS, SIZE),
        "fc_w": (SOUNDS, SIZE),
        "fc_b": (SOUNDS,),
    }
    for half in ("enc", "dec"):
        shapes |= {f"{half}_w_{kind}": (3 * SIZE, SIZE) for kind in ("ih", "hh")}
        shapes |= {f"{half}_b_{kind}": (3 * SIZE,) for kind in ("ih", "hh")}
    every = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    path = folder / "letters.npz"
    np.savez(path, **(every | weights))  # type: ignore[arg-type]  # arrays, by their names
    return Letters(path)


def chosen(sound: int) -> object:
    return np.eye(SOUNDS, dtype=np.float32)[sound]


@pytest.mark.parametrize(
    ("sound", "said"),
    [(4, "ɑ"), (5, "ˈɑ"), (6, "ˌɑ"), (10, "ə"), (11, "ˈʌ"), (29, "əɹ"), (30, "ˈɜɹ"), (73, "ʒ")],
)
def test_a_class_of_the_network_is_a_sound_and_its_stress(
    tmp_path: Path, sound: int, said: str
) -> None:
    assert network(tmp_path, fc_b=chosen(sound))("word") == said * 20


def test_the_end_ends_it(tmp_path: Path) -> None:
    assert network(tmp_path, fc_b=chosen(3))("word") == ""


def test_what_was_read_decides_what_is_said_and_the_end_is_read_too(tmp_path: Path) -> None:
    """The encoder remembers the last symbol it read; the decoder keeps it, and says it."""
    read = np.zeros((LETTERS, SIZE), np.float32)
    read[3, 0], read[2, 1] = 1, 1  # `a`, and the end of the word
    keep = np.zeros(3 * SIZE, np.float32)
    keep[SIZE : 2 * SIZE] = 50  # the update gate of the decoder: nothing changes
    take = np.zeros((3 * SIZE, SIZE), np.float32)
    take[2 * SIZE :] = 10 * np.eye(SIZE)
    fresh = np.zeros(3 * SIZE, np.float32)
    fresh[SIZE : 2 * SIZE] = -50  # of the encoder: everything does
    say = np.zeros((SOUNDS, SIZE), np.float32)
    say[5, 0], say[73, 1] = 1, 1
    made = network(tmp_path, enc_emb=read, enc_w_ih=take, enc_b_ih=fresh, dec_b_ih=keep, fc_w=say)
    assert made("a") == "ʒ" * 20


def test_signs_that_are_no_letters_are_passed_by(tmp_path: Path) -> None:
    assert network(tmp_path, fc_b=chosen(5))("naïve-5") == "ˈɑ" * 20
