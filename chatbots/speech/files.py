"""What the speech stack needs on this machine: packages, and the right weights."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from chatbots.errors import ConfigurationError
from chatbots.local.catalog import is_wanted, load_speech
from chatbots.speech.helper import Needs
from chatbots.version import installing

if TYPE_CHECKING:
    from pathlib import Path

    from chatbots.local.weights import WeightStore

PACKAGES: Final = ("numpy", "onnxruntime", "soxr", "xllamacpp")


def needs_of(store: WeightStore, model: Path) -> Needs:
    """Return where everything is, beside the language *model*; may hash whole files.

    Raises `ConfigurationError`: `extra_missing`, `weights_missing`, `weights_mismatch`.
    """
    check_packages()
    found: dict[str, Path] = {}
    for weights in filter(is_wanted, load_speech()):
        path = store.find(weights)
        if path is None and weights.optional:
            continue
        if path is None:
            raise ConfigurationError(
                "weights_missing",
                f"{weights.title} is not on this machine: without it nothing is heard or said.",
                hint="Fetch it with: chatbots models pull --speech",
            )
        found[weights.name] = path.resolve()
    return Needs(
        voice=str(found["kokoro-82m-v1.0-fp16"]),
        speakers={
            str(found[weights.name]): weights.voices
            for weights in load_speech()
            if weights.voices and not weights.extra and weights.name in found
        },
        piper=str(found.get("piper-joe", "")),
        gold=str(found["misaki-us-gold"]),
        silver=str(found["misaki-us-silver"]),
        letters=str(found["g2p-en-2.1.0"]),
        silero=str(found["silero-vad-6.2.3"]),
        moonshine=str(
            found.get("moonshine-js-tiny-en") or found["moonshine-tiny-en-encoder"].parent
        ),
        model=str(model),
    )


def check_packages() -> None:
    """Raise `ConfigurationError` (`extra_missing`) where the extra is not installed."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            "extra_missing",
            f"To hear and speak on this machine {', '.join(missing)} must be installed.",
            hint=f"Run: {installing('local-voice')}",
        )
