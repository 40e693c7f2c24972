"""Names that the Realtime API knows; any other text is passed on as it is."""

from __future__ import annotations

from typing import Final

# Models of today
GPT_REALTIME: Final = "gpt-realtime"
GPT_REALTIME_2025_08_28: Final = "gpt-realtime-2025-08-28"
GPT_REALTIME_1_5: Final = "gpt-realtime-1.5"
GPT_REALTIME_2: Final = "gpt-realtime-2"
GPT_REALTIME_2_1: Final = "gpt-realtime-2.1"
GPT_REALTIME_2_1_MINI: Final = "gpt-realtime-2.1-mini"
GPT_REALTIME_MINI: Final = "gpt-realtime-mini"
GPT_REALTIME_MINI_2025_10_06: Final = "gpt-realtime-mini-2025-10-06"
GPT_REALTIME_MINI_2025_12_15: Final = "gpt-realtime-mini-2025-12-15"

# Models of the reference; OpenAI has shut them down, other servers may know them
GPT_4O_REALTIME_PREVIEW: Final = "gpt-4o-realtime-preview"
GPT_4O_REALTIME_PREVIEW_2024_10_01: Final = "gpt-4o-realtime-preview-2024-10-01"
GPT_4O_REALTIME_PREVIEW_2024_12_17: Final = "gpt-4o-realtime-preview-2024-12-17"
GPT_4O_MINI_REALTIME_PREVIEW: Final = "gpt-4o-mini-realtime-preview"
GPT_4O_MINI_REALTIME_PREVIEW_2024_12_17: Final = "gpt-4o-mini-realtime-preview-2024-12-17"

TRANSCRIBERS: Final = (
    "gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe", "whisper-1",
)  # fmt: skip
"""Models that write down what the user says."""

VOICES: Final = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
)  # fmt: skip
"""Voices; which of them a model has, it says itself."""

AUDIO_FORMATS: Final = ("audio/pcm", "audio/pcmu", "audio/pcma")
"""PCM of 16 bits at 24 kHz, G.711 in both its laws."""
BETA_AUDIO_FORMATS: Final = ("pcm16", "g711_ulaw", "g711_alaw")
"""The same in the words of the beta dialect."""
