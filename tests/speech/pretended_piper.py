"""Stand-ins for onnxruntime and Piper, as files: what runs them is a process of its own."""

from __future__ import annotations

from pathlib import Path

_ONNX = """
import time

class SessionOptions:
    def add_session_config_entry(self, name, value):
        assert (name, value) == ("session.force_spinning_stop", "1")

class RunOptions:
    terminate = False

class InferenceSession:
    def __init__(self, model, options, *, providers):
        self._begun = model + ".begun"
        open(model).close()

    def run(self, names, inputs, mark):
        if inputs["text"] == "forever":
            open(self._begun, "w").close()
            while not mark.terminate:
                time.sleep(0.01)
            raise InterruptedError
        return int(inputs["scale"] * 22_050) * b"\\1\\0"
"""
_PIPER = """
from types import SimpleNamespace as SynthesisConfig

class Piece:
    def __init__(self, sound):
        self.audio_int16_bytes = sound

class PiperVoice:
    def __init__(self, *, session, config):
        self._session = session
        assert config.phoneme_id_map == {"a": [1]}

    def synthesize(self, text, manner):
        print("what a library prints", flush=True)
        for part in text.split("."):
            yield Piece(self._session.run(None, {"text": part, "scale": manner.length_scale}))
"""
_CONFIG = """
from types import SimpleNamespace as PiperConfig

class PhonemeType:
    ESPEAK = "espeak"
"""


def pretend(folder: Path) -> None:
    """Put into *folder* a Piper that says a second of sound for each sentence.

    `forever` it says until it is stopped; the file `MODEL.begun` is there once it does.
    """
    (folder / "piper").mkdir()
    (folder / "onnxruntime.py").write_text(_ONNX)
    (folder / "piper" / "__init__.py").write_text(_PIPER)
    (folder / "piper" / "config.py").write_text(_CONFIG)
    known = 'DEFAULT_PHONEME_ID_MAP = {"a": [1], "aɪ": [161]}'
    (folder / "piper" / "phoneme_ids.py").write_text(known)
