"""The program that speaks with Piper, in a process of its own: Piper is under the GPL, we are not.

    python piper_program.py VOICE THREADS

For each text a line of JSON comes in, `{"id": 1, "text": "Hello.", "speed": 1.0}`, and
`{"stop": 1}` to stop it. For each a line goes out, `{"id": 1, "rate": 22050, "bytes": 44100}`,
and so many bytes of PCM16 after it; or `{"id": 1, "error": "..."}`. It ends with its input.

It imports nothing of ours, and nothing of ours imports it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO, Final, TypeAlias

RATE: Final = 22_050
"""Samples a second of the voice."""
SOUNDS: Final = 151
"""Phonemes that the voice was trained on; Piper has come to know more."""

Say: TypeAlias = Callable[[str, float, Any], bytes]
"""A text, how fast, and a mark: it ends early once `terminate` of that is set."""


def serve(orders: Iterable[bytes], out: BinaryIO, say: Say, new_mark: Callable[[], Any]) -> None:
    """Say what is asked for, one after the other, as long as there are *orders*."""
    asked: SimpleQueue[dict[str, Any]] = SimpleQueue()
    marks: dict[int, Any] = {}

    def work() -> None:
        with suppress(OSError):  # Nobody is there any more to hear it.
            while True:
                _answer(asked.get(), out, say, marks)

    threading.Thread(target=work, name="piper", daemon=True).start()
    for line in orders:
        order: dict[str, Any] = json.loads(line)
        if "text" in order:
            marks[order["id"]] = new_mark()
            asked.put(order)
        elif (mark := marks.get(order["stop"])) is not None:
            mark.terminate = True


def _answer(order: dict[str, Any], out: BinaryIO, say: Say, marks: dict[int, Any]) -> None:
    sound = b""
    try:
        sound = say(order["text"], order["speed"], marks[order["id"]])
        told: dict[str, Any] = {"rate": RATE, "bytes": len(sound)}
    except Exception as error:
        told = {"error": type(error).__name__}
    del marks[order["id"]]
    out.write(json.dumps({"id": order["id"]} | told).encode() + b"\n" + sound)
    out.flush()


class _Stoppable:
    """A network whose runs end once the mark of the moment says so."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.mark: Any = None

    def run(self, names: None, inputs: dict[str, Any]) -> Any:
        return self._network.run(names, inputs, self.mark)


def main() -> None:
    """Load the voice, and serve standard input on standard output."""
    model, threads = sys.argv[1:]
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints is no sound.
    onnx: Any = importlib.import_module("onnxruntime")
    piper: Any = importlib.import_module("piper")
    options = onnx.SessionOptions()
    options.intra_op_num_threads = int(threads)
    options.log_severity_level = 3
    # Threads that spin on after the work would take the language model's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    network = _Stoppable(onnx.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
    voice = piper.PiperVoice(session=network, config=_config())

    def say(text: str, speed: float, mark: Any) -> bytes:
        network.mark = mark
        pieces = voice.synthesize(text, piper.SynthesisConfig(length_scale=1 / speed))
        return b"".join(piece.audio_int16_bytes for piece in pieces)

    serve(sys.stdin.buffer, out, say, onnx.RunOptions)
    os._exit(0)  # Whatever is being said: nobody hears it.


def _config() -> Any:
    """Return what `en_US-joe-medium.onnx.json` says, beside the voice's file in its repository."""
    config: Any = importlib.import_module("piper.config")
    known: Any = importlib.import_module("piper.phoneme_ids")
    return config.PiperConfig(
        num_symbols=256,
        num_speakers=1,
        sample_rate=RATE,
        espeak_voice="en-us",
        phoneme_type=config.PhonemeType.ESPEAK,
        phoneme_id_map={
            sound: ids for sound, ids in known.DEFAULT_PHONEME_ID_MAP.items() if ids[0] < SOUNDS
        },
    )


if __name__ == "__main__":
    main()
