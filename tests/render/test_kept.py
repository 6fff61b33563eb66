"""Sensitivities kept on disk: the same numbers, found again for the same input alone, within a bound."""

from __future__ import annotations

import os
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from gscodec.render import kept
from gscodec.render.cameras import Camera
from gscodec.render.kept import SensitivityCache
from gscodec.render.sensitivity import Sensitivity, sensitivity_cameras
from gscodec.splats.model import Splats
from gscodec.splats.sample import make_sample

WAY = {"kernel": "classic", "device": "cpu"}


@pytest.fixture
def splats() -> Splats:
    return make_sample(1, 200)[0]


@pytest.fixture
def cameras(splats: Splats) -> list[Camera]:
    return sensitivity_cameras(splats, None, seed=0, size=32, count=2)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever something is really measured."""
    calls: list[int] = []
    real = kept.measure_sensitivity

    def counting(*args: object, **options: object) -> Sensitivity:
        calls.append(1)
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "measure_sensitivity", counting)
    return calls


def same(a: Sensitivity, b: Sensitivity) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Sensitivity))


def test_second_time_is_read_bit_for_bit(
    tmp_path: Path, splats: Splats, cameras: list[Camera], measured: list[int]
) -> None:
    folder = tmp_path / "a new folder ✓"
    first = SensitivityCache(folder).measure(splats, cameras, **WAY)
    second = SensitivityCache(folder).measure(splats, cameras, **WAY)
    assert len(measured) == 1
    assert same(first, second)
    assert [path.suffix for path in folder.iterdir()] == [".npz"]


def test_other_frame_camera_or_kernel_is_measured_anew(
    tmp_path: Path, splats: Splats, cameras: list[Camera], measured: list[int]
) -> None:
    cache = SensitivityCache(tmp_path)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        array = getattr(splats, name).copy()
        array.flat[0] = 0.5 * array.flat[0] + 0.1
        cache.measure(replace(splats, **{name: array}), cameras, **WAY)
    cache.measure(splats, cameras, **WAY)
    cache.measure(splats, cameras[:1], **WAY)
    cache.measure(splats, [cameras[0], replace(cameras[1], cx=15.0)], **WAY)
    cache.measure(splats, cameras, kernel="compensated", device="cpu")
    assert len(measured) == 9


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_none(
    tmp_path: Path, splats: Splats, cameras: list[Camera], measured: list[int], damage: str
) -> None:
    cache = SensitivityCache(tmp_path)
    want = cache.measure(splats, cameras, **WAY)
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    raw[500] ^= 0xFF
    path.write_bytes({"cut": raw[:300], "flipped": raw, "empty": b"", "other": b"text"}[damage])
    assert same(cache.measure(splats, cameras, **WAY), want)
    assert same(cache.measure(splats, cameras, **WAY), want)
    assert len(measured) == 2


def test_least_recently_used_go_but_not_those_of_this_run(
    tmp_path: Path, splats: Splats, cameras: list[Camera], measured: list[int]
) -> None:
    SensitivityCache(tmp_path).measure(splats, cameras, **WAY)
    (first,) = tmp_path.iterdir()
    size = first.stat().st_size
    os.utime(first, (1e9, 1e9))
    other = SensitivityCache(tmp_path, max_bytes=2 * size, since=time.time() - 60)
    for count in (1, 2, 3):  # of cameras: three keys; the first run's file makes room, then there is none
        other.measure(splats, cameras[:1] * count, **WAY)
    assert not first.exists()
    assert len(list(tmp_path.iterdir())) == 2
    assert len(measured) == 4
    other.measure(splats, cameras[:1], **WAY)
    assert len(measured) == 4


def test_files_are_counted_too(
    tmp_path: Path, splats: Splats, cameras: list[Camera], measured: list[int]
) -> None:
    for count, used in ((1, 1e9), (2, 2e9)):  # of cameras: two keys
        SensitivityCache(tmp_path).measure(splats, cameras[:1] * count, **WAY)
        os.utime(max(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime), (used, used))
    SensitivityCache(tmp_path, max_files=2, since=3e9).measure(splats, cameras[:1] * 3, **WAY)
    assert len(list(tmp_path.iterdir())) == 2
    SensitivityCache(tmp_path).measure(splats, cameras[:1] * 2, **WAY)
    assert len(measured) == 3
    SensitivityCache(tmp_path).measure(splats, cameras[:1], **WAY)  # it was used least recently, and went
    assert len(measured) == 4


def test_a_folder_that_cannot_be_is_no_error(tmp_path: Path, splats: Splats, cameras: list[Camera]) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = SensitivityCache(tmp_path / "file" / "folder")
    assert cache.measure(splats, cameras, **WAY).pixels > 0


def test_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert SensitivityCache().folder == tmp_path / "gscodec" / "sensitivity"
