"""CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720 B.4), eight bytes a step (Kounavis and Berry 2005)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gscodec.base.jit import njit

__all__ = ["crc32c"]

POLYNOMIAL = 0x82F63B78


def _tables() -> npt.NDArray[np.uint32]:
    tables = np.zeros((8, 256), np.uint32)
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
        tables[0, i] = crc
    for k in range(1, 8):
        tables[k] = (tables[k - 1] >> 8) ^ tables[0][tables[k - 1] & 255]
    return tables


TABLES = _tables()


@njit
def _update(crc, data):  # type: ignore[no-untyped-def]
    n = data.shape[0]
    i = 0
    while i + 8 <= n:
        low = crc ^ (
            np.uint32(data[i])
            | (np.uint32(data[i + 1]) << np.uint32(8))
            | (np.uint32(data[i + 2]) << np.uint32(16))
            | (np.uint32(data[i + 3]) << np.uint32(24))
        )
        crc = (
            TABLES[7, low & 255]
            ^ TABLES[6, (low >> 8) & 255]
            ^ TABLES[5, (low >> 16) & 255]
            ^ TABLES[4, (low >> 24) & 255]
            ^ TABLES[3, data[i + 4]]
            ^ TABLES[2, data[i + 5]]
            ^ TABLES[1, data[i + 6]]
            ^ TABLES[0, data[i + 7]]
        )
        i += 8
    while i < n:
        crc = (crc >> 8) ^ TABLES[0, (crc ^ data[i]) & 255]
        i += 1
    return crc


def crc32c(data: bytes | bytearray | memoryview, before: int = 0) -> int:
    """CRC-32C of `data`, going on from the CRC `before` of what stands in front of it."""
    start = np.uint32(before ^ 0xFFFFFFFF)
    return int(_update(start, np.frombuffer(bytearray(data), np.uint8))) ^ 0xFFFFFFFF
