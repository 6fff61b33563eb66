"""The frame of a segment and its MODEL section: bytes <-> fields (SPEC.md 5.1, 5.2)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

import numpy as np

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.base.limits import MAX_FRAMES_PER_GOP, MAX_SLOTS
from gscodec.codec.model.channels import FEATURES, GROUPS, channel_count, channel_groups

__all__ = ["MODE_CODED", "MODE_VIDEO", "MODE_ZERO", "SECTIONS", "Model", "join_segment", "split_segment"]

SEGMENT_VERSION = 2
FLAG_LAYOUT, FLAG_SHARED = 1, 2
SECTIONS = ("model", "side", "position", "base", "coefficient", "video")
MODE_ZERO, MODE_CODED, MODE_VIDEO = range(3)
BASIS_NONE, BASIS_DCT, BASIS_EXPLICIT = range(3)
MAX_PARTS = 64
SOFT = 128  # added to the number of nodes in the field P
BLENDED = 4  # nodes that move a slot of soft parts; the fifth's distance is where a weight ends
MIN_NODES = BLENDED + 1
MAX_LATTICE_BITS = 20
MAX_GAIN = 64
MAX_COEFFICIENTS = 255  # of a group: K_g is a byte
MAX_ATLAS_WIDTH, MAX_ATLAS_HEIGHT = 2048, 2050


@dataclass(slots=True)
class Model:
    """The fields of MODEL. Arrays by channel have C entries, by group six."""

    frames: int
    slots: int
    sh_degree: int
    bits: tuple[int, int, int] = (0, 0, 0)
    cell_shift: int = 0
    origin: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    base_unit: np.ndarray = field(default_factory=lambda: np.ones(0, np.float32))
    spacing: list[int] = field(default_factory=lambda: [0] * GROUPS)
    regression: list[list[int]] = field(default_factory=lambda: [[0] * n for n in FEATURES])
    coef_unit: np.ndarray = field(default_factory=lambda: np.ones(0, np.float32))
    parts: int = 0  # parts, or nodes of soft ones
    soft: bool = False
    place_shift: int = 0  # soft: nodes stand on multiples of 2^place_shift lattice units
    part_unit: tuple[float, float] = (1.0, 1.0)
    basis_kind: list[int] = field(default_factory=lambda: [0] * GROUPS)
    basis_count: list[int] = field(default_factory=lambda: [0] * GROUPS)
    mode: list[list[int]] = field(default_factory=list)  # by channel, K_g entries
    beta: list[list[int]] = field(default_factory=list)  # by channel, one for each plane of mode 1
    atlas: tuple[int, int] = (0, 0)
    gain: int = 1
    shared: bool = False  # the lattice is another segment's, and so is what the first slots have of a base

    @property
    def temporal(self) -> bool:
        """Whether there are coefficients: on a shared base even one frame has them."""
        return self.frames > 1 or self.shared

    def adopt(self, base: Model) -> None:
        """Take what a shared base gives. Raises BadInput where the two don't fit."""
        if self.sh_degree != base.sh_degree:
            raise BadInput("segment does not fit the base it shares", field="sh_degree")
        if self.slots < base.slots:  # more: births
            raise BadInput("segment has fewer slots than the base it shares", field="N", slots=self.slots)
        if not self.soft and self.parts not in (0, 0 if base.soft else base.parts):
            raise BadInput("segment has other parts than the base it shares", field="P", parts=self.parts)
        for name in ("bits", "cell_shift", "origin", "base_unit", "spacing", "regression"):
            setattr(self, name, getattr(base, name))

    @property
    def channels(self) -> int:
        return channel_count(self.sh_degree)

    def planes(self, channel: int, mode: int) -> list[int]:
        """Coefficient numbers k (from 1) of the channel's planes of that mode."""
        return [k + 1 for k, m in enumerate(self.mode[channel]) if m == mode] if self.mode else []

    def video_planes(self) -> list[tuple[int, int]]:
        """(channel, k) of mode 2, by channel, then k."""
        return [(c, k) for c in range(len(self.mode)) for k in self.planes(c, MODE_VIDEO)]

    def write(self) -> bytes:
        out = bytearray()
        out += uv(self.frames) + uv(self.slots) + bytes([self.sh_degree])
        if not self.shared:
            self._write_own(out)
        if self.temporal:
            self._write_temporal(out)
        return bytes(out)

    def _write_own(self, out: bytearray) -> None:
        out += bytes([*self.bits, self.cell_shift])
        out += np.asarray(self.origin, "<f4").tobytes() + np.asarray(self.base_unit, "<f4").tobytes()
        for g in range(1, GROUPS):
            out += bytes([self.spacing[g]]) + struct.pack(f"<{FEATURES[g]}i", *self.regression[g])

    def _write_temporal(self, out: bytearray) -> None:
        out += np.asarray(self.coef_unit, "<f4").tobytes() + bytes([self.parts + SOFT * self.soft])
        if self.parts:
            out += struct.pack("<2f", *self.part_unit)
        if self.soft:
            out += bytes([self.place_shift])
        for g in range(GROUPS):
            out += bytes([self.basis_kind[g], self.basis_count[g]])
        for row in self.mode:
            out += bytes(row)
        for row in self.beta:
            out += bytes(row)
        if self.video_planes():
            out += uv(self.atlas[0]) + uv(self.atlas[1]) + bytes([self.gain])

    @classmethod
    def read(cls, data: bytes, *, shared: bool = False) -> Model:
        """Raises BadInput (or a kind of it), naming the field."""
        r = _Fields(data)
        frames, slots, degree = r.uv("T"), r.uv("N"), r.u8("sh_degree", 3)
        if not 1 <= frames <= MAX_FRAMES_PER_GOP:
            raise LimitExceeded("frames of a segment", field="T", value=frames)
        if slots > MAX_SLOTS:
            raise LimitExceeded("slots of a segment", field="N", value=slots)
        m = cls(frames, slots, degree, shared=shared)
        if not shared:
            m._read_own(r)
        if m.temporal:
            m._read_temporal(r)
        r.end("MODEL")
        return m

    def _read_own(self, r: _Fields) -> None:
        x, y, z = (r.u8("bits", MAX_LATTICE_BITS) for _ in range(3))
        self.bits = (x, y, z)
        self.cell_shift = r.u8("cell_shift", MAX_LATTICE_BITS)
        self.origin = r.floats("origin", 3)
        self.base_unit = r.floats("base_unit", self.channels, positive=True)
        for g in range(1, GROUPS):
            self.spacing[g] = r.u8("spacing", 4)
            self.regression[g] = r.ints("regression", FEATURES[g])

    def _read_temporal(self, r: _Fields) -> None:
        self.coef_unit = r.floats("coef_unit", self.channels, positive=True)
        told = r.u8("P", 255)
        self.soft, self.parts = told >= SOFT, told % SOFT
        if (self.soft and self.parts < MIN_NODES) or (not self.soft and self.parts > MAX_PARTS):
            raise BadInput("value out of range", field="P", value=told)
        if self.parts:
            linear, translation = r.floats("part_unit", 2, positive=True)
            self.part_unit = (float(linear), float(translation))
        if self.soft:
            self.place_shift = r.u8("place_shift", MAX_LATTICE_BITS)
        for g in range(GROUPS):
            self.basis_kind[g] = r.u8("basis", BASIS_EXPLICIT)
            self.basis_count[g] = r.u8("K_g", self.frames - (not self.shared))
            if (self.basis_kind[g] == BASIS_NONE) != (self.basis_count[g] == 0):
                raise BadInput("basis without coefficients", field="K_g", group=g)
        groups = channel_groups(self.sh_degree)
        self.mode = [[r.u8("mode", MODE_VIDEO) for _ in range(self.basis_count[g])] for g in groups]
        self.beta = [[r.u8("beta", 32) for m in row if m == MODE_CODED] for row in self.mode]
        if self.video_planes():
            self.atlas = (r.uv("atlas_width"), r.uv("atlas_height"))
            if self.atlas[0] > MAX_ATLAS_WIDTH or self.atlas[1] > MAX_ATLAS_HEIGHT:
                raise LimitExceeded("atlas", field="atlas", width=self.atlas[0], height=self.atlas[1])
            self.gain = r.u8("gain", MAX_GAIN)
            if self.gain == 0:
                raise BadInput("gain is zero", field="gain")


class _Fields:
    """Bounded reads with the field's name in every error."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, name: str, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise Truncated("MODEL ends too early", field=name, offset=self.at)
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self, name: str, most: int) -> int:
        value = self.take(name, 1)[0]
        if value > most:
            raise BadInput("value out of range", field=name, value=value, most=most)
        return value

    def uv(self, name: str) -> int:
        value, self.at = read_uv(self.data, self.at, name)
        return value

    def floats(self, name: str, n: int, positive: bool = False) -> np.ndarray:
        values = np.frombuffer(self.take(name, 4 * n), "<f4").astype(np.float32)
        if not np.isfinite(values).all() or (positive and not (values > 0).all()):
            raise BadInput("not a finite positive number" if positive else "not a finite number", field=name)
        return values

    def ints(self, name: str, n: int) -> list[int]:
        return list(struct.unpack(f"<{n}i", self.take(name, 4 * n)))

    def end(self, what: str) -> None:
        if self.at != len(self.data):
            raise BadInput(f"bytes left over in {what}", offset=self.at, length=len(self.data))


def uv(value: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_uv(data: bytes, at: int, name: str) -> tuple[int, int]:
    """(value, next offset); at most five bytes."""
    value = 0
    for i in range(5):
        if at + i >= len(data):
            raise Truncated("number ends too early", field=name, offset=at)
        byte = data[at + i]
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise BadInput("number longer than five bytes", field=name, offset=at)


def join_segment(sections: dict[str, bytes], *, explicit_layout: bool = False, shared: bool = False) -> bytes:
    """A segment of its six sections."""
    head = bytes([SEGMENT_VERSION, FLAG_LAYOUT * explicit_layout + FLAG_SHARED * shared])
    parts = [sections.get(name, b"") for name in SECTIONS]
    return head + b"".join(uv(len(part)) for part in parts) + b"".join(parts)


def split_segment(data: bytes) -> tuple[dict[str, bytes], bool, bool]:
    """(sections, explicit layout, shared base)."""
    if len(data) < 2:
        raise Truncated("segment head", length=len(data))
    if data[0] != SEGMENT_VERSION:
        raise Unsupported("segment version not read here", version=data[0], reads=SEGMENT_VERSION)
    if data[1] & ~(FLAG_LAYOUT | FLAG_SHARED):
        raise Unsupported("unknown segment flags", flags=data[1])
    at, lengths = 2, []
    for name in SECTIONS:
        length, at = read_uv(data, at, name)
        lengths.append(length)
    if at + sum(lengths) > len(data):
        raise Truncated("segment is shorter than its sections", length=len(data), sections=at + sum(lengths))
    if at + sum(lengths) != len(data):
        raise BadInput("bytes left over behind the sections", length=len(data), sections=at + sum(lengths))
    out = {}
    for name, length in zip(SECTIONS, lengths, strict=True):
        out[name] = bytes(data[at : at + length])
        at += length
    return out, bool(data[1] & FLAG_LAYOUT), bool(data[1] & FLAG_SHARED)


def atlas_geometry(slots: int, channels: int) -> tuple[int, int, int, int, int]:
    """(W, H of a plane, columns, rows, pages) for `channels` tiles (SPEC.md 5.9)."""
    width = 16 * max(1, math.ceil(math.ceil(math.sqrt(slots)) / 16))
    blocks = width // 16
    height = 16 * max(1, math.ceil(math.ceil(slots / 256) / blocks))
    cols = max(1, min(channels, MAX_ATLAS_WIDTH // width))
    rows = max(1, min(math.ceil(channels / cols), MAX_ATLAS_WIDTH // height))
    return width, height, cols, rows, math.ceil(channels / (cols * rows))
