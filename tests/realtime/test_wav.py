from __future__ import annotations

import io
import struct
import wave

import pytest

from chatbots.errors import InvalidRequest
from chatbots.realtime import g711
from chatbots.realtime.wav import HEADER_SIZE, UNKNOWN, WavReader, header

PCM = struct.pack("<6h", 0, 1, -1, 32767, -32768, 300)


def riff(data: bytes, *chunks: bytes, size: int | None = None) -> bytes:
    body = b"".join(chunks) + b"data" + struct.pack("<I", len(data) if size is None else size)
    return b"RIFF" + struct.pack("<I", 4 + len(body) + len(data)) + b"WAVE" + body + data


def fmt(tag: int, bits: int, *, channels: int = 1, rate: int = 24_000, more: bytes = b"") -> bytes:
    frame = channels * bits // 8
    told = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + more
    return b"fmt " + struct.pack("<I", len(told)) + told


def read(data: bytes, step: int = 0) -> tuple[bytes, int]:
    reader, step = WavReader(), step or len(data) or 1
    pcm = b"".join(reader.push(data[at : at + step]) for at in range(0, len(data), step))
    reader.end()
    return pcm, reader.rate


def test_what_is_written_is_what_the_standard_library_writes() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(24_000)
        written.writeframes(PCM)
    assert header(24_000, len(PCM)) + PCM == file.getvalue()
    assert len(header(24_000)) == HEADER_SIZE


@pytest.mark.parametrize("step", [1, 7, 43, 0])
def test_a_wav_is_read_in_pieces_of_any_size(step: int) -> None:
    assert read(header(16_000, len(PCM)) + PCM, step) == (PCM, 16_000)


@pytest.mark.parametrize("size", [0, UNKNOWN, 1000])
def test_a_length_that_is_missing_or_wrong_is_what_there_is(size: int) -> None:
    assert read(riff(PCM, fmt(1, 16), size=size)) == (PCM, 24_000)
    assert read(header(8_000) + PCM) == (PCM, 8_000)


def test_chunks_around_the_sound_are_passed_over() -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    data = riff(PCM, odd, fmt(1, 16), odd) + odd
    assert read(data) == read(data, 5) == (PCM, 24_000)


def test_what_follows_the_sound_is_not_kept() -> None:
    reader = WavReader()
    reader.push(header(8_000, len(PCM)) + PCM)
    for _ in range(100):
        assert reader.push(bytes(1000)) == b""
    assert not reader._held


def test_half_a_frame_at_the_end_is_no_sound() -> None:
    assert read(riff(PCM + b"x", fmt(1, 16)))[0] == PCM


@pytest.mark.checklist(176)
@pytest.mark.parametrize(
    ("form", "data", "heard"),
    [
        (fmt(1, 8), b"\x80\x00\xff\x81", (0, -32768, 32512, 256)),
        (fmt(1, 24), b"\xff\x01\x00\xff\x00\x80", (1, -32768)),
        (fmt(1, 32), struct.pack("<2i", 1 << 16, -(1 << 31)), (1, -32768)),
        (
            fmt(3, 32),
            struct.pack("<5f", 0.5, -1.0, 7.0, float("nan"), -9),
            (16383, -32767, 32767, 0, -32767),
        ),
        (fmt(1, 16, channels=2), struct.pack("<4h", 100, 200, -5, -6), (150, -6)),
        (
            fmt(0xFFFE, 16, more=struct.pack("<HHIH14x", 22, 16, 4, 1)),
            struct.pack("<2h", 5, 6),
            (5, 6),
        ),
        (fmt(6, 8), b"\x2a\xd5", struct.unpack("<2h", g711.decode(b"\x2a\xd5", "alaw"))),
        (fmt(7, 8), b"\x2a\xd5", struct.unpack("<2h", g711.decode(b"\x2a\xd5", "ulaw"))),
    ],
    ids=["8", "24", "32", "float", "stereo", "extensible", "alaw", "ulaw"],
)
def test_sound_of_many_kinds_is_heard_as_16_bits_of_one_channel(
    form: bytes, data: bytes, heard: tuple[int, ...]
) -> None:
    assert struct.unpack(f"<{len(heard)}h", read(riff(data, form))[0]) == heard


def test_a_long_sound_may_come_in_one_piece() -> None:
    sound = bytes(1 << 21)
    assert WavReader().push(header(24_000, len(sound)) + sound) == sound


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends before its sound"),
        (b"RIFF\0\0\0\0WAVEfmt ", "ends before its sound"),
        (b"ID3\x04 this is an MP3", "does not begin as one"),
        (riff(PCM), "does not say what"),
        (riff(PCM, b"fmt \x04\0\0\0abcd"), "cut off"),
        (riff(PCM, fmt(0x55, 16)), "format 85, 16 bits, 1 channels, 24000 Hz"),
        (riff(PCM, fmt(1, 16, channels=0)), "0 channels"),
        (riff(PCM, fmt(1, 16, rate=3)), "3 Hz"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f" + bytes(1 << 20), "within 1 MiB"),
    ],
)
def test_what_is_no_wav_is_refused_by_what_is_wrong_with_it(data: bytes, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as raised:
        read(data)
    assert raised.value.param == "audio"
