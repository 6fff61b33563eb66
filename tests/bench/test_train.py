"""`bench train` on a tiny capture: all tables are made; a second run finds everything in the cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gscodec.base.errors import Misuse
from gscodec.bench.parts import TRAIN_PARTS
from gscodec.bench.train_plan import OURS, ROWS, V3, Row, rows_of
from gscodec.train.settings import CODEC_LOSSES, TrainSettings

TINY = TrainSettings(gaussians=120, key_iterations=40, motion_iterations=4, detail_iterations=5, nodes=10)
MADE = Row(part="worth", capture="tiny", name="made for the codec", frames=2, settings=TINY)
PLAIN = replace(MADE, name="without", settings=replace(TINY, codec=()))


def test_the_plan_has_a_row_for_each_loss_and_both_comparisons() -> None:
    assert {r.part for r in ROWS} == set(TRAIN_PARTS)
    made, plain, *losses = rows_of(("losses",), None)
    assert (made.name, plain.settings.codec) == ("made for the codec", ())  # what they are compared with
    assert [set(CODEC_LOSSES) - set(r.settings.codec) for r in losses] == [{name} for name in CODEC_LOSSES]
    for capture in ("capture-fox", "capture-trio"):
        made, plain, kept, v3 = rows_of(("worth",), (capture,))
        assert (made.recipe, plain.recipe, v3.recipe) == (OURS, OURS, V3)
        assert set(made.settings.codec) - set(kept.settings.codec) == {"price"}
        assert made.settings.codec == CODEC_LOSSES
        assert plain.settings == replace(made.settings, codec=())
        assert v3.settings == replace(plain.settings, sh_degree=0)


def test_a_gpu_trains_many_frames_of_many_gaussians_and_a_name_without_rows_is_refused() -> None:
    cpu, gpu = (rows_of(("quality",), None, device) for device in ("cpu", "cuda"))
    assert gpu[: len(cpu)] == cpu
    assert [(r.frames, r.settings.gaussians) for r in gpu[len(cpu) :]] == [(60, 100_000)]
    with pytest.raises(Misuse, match="capture-fox"):
        rows_of(("quality",), ("capture-fix",))


def test_all_tables_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="torch is not installed (pip install gscodec[train])")
    from gscodec.bench import train
    from gscodec.train.captures.sample import write_sample_capture

    write_sample_capture(tmp_path / "captures" / "tiny", train=4, test=1, frames=2, size=48, gaussians=200)
    rows = [
        MADE,
        PLAIN,
        replace(PLAIN, name="V3's", recipe=V3),
        replace(MADE, part="losses", name="without calm", settings=replace(TINY, codec=("snap", "entropy"))),
        replace(MADE, part="quality", name="tiny"),
    ]
    monkeypatch.setattr(train, "ProcessPoolExecutor", _InThisProcess)
    page = tmp_path / "page.md"
    options = train.TrainBenchOptions(data=tmp_path, cache=tmp_path / "cache", output=page)
    assert train.run_train(options, rows) == 0
    text = page.read_text()
    for part in ("Quality", "slots", "same held-out PSNR", "each of the codec's losses", "correlation"):
        assert part in text
    assert len([line for line in text.splitlines() if line.startswith("| tiny | 2 |")]) == 4
    assert "V3's" in text
    assert "as the entropy loss sees it" in text
    assert "without calm" in text

    monkeypatch.setattr(train, "train_row", _never)
    monkeypatch.setattr(train, "encoded", _never)
    capsys.readouterr()
    assert train.run_train(replace(options, json=True, output=None), rows[:2]) == 0
    assert '"target"' in capsys.readouterr().out


def test_streams_are_compared_between_two_real_ones() -> None:
    from gscodec.bench.train_run import QUALITY_KNOB, Stream, stream_at

    asked: list[float] = []

    def encoded(quality: float) -> Stream:
        asked.append(quality)
        return Stream(quality, 5 + quality / 10, 36 - 2 * math.exp(-quality / 25), 30.0)

    known = [encoded(20.0), encoded(0.0)]
    for target in (34.4, 35.0, 35.6):
        asked.clear()
        found = stream_at(encoded, QUALITY_KNOB, target, known)
        true = 5 - 2.5 * math.log((36 - target) / 2)
        assert found.psnr == target
        assert found.kb == pytest.approx(true, rel=0.05)
        assert len(asked) <= 6
    low, high = (stream_at(encoded, QUALITY_KNOB, target, known) for target in (33.0, 37.0))
    assert (low.setting, low.kb, low.psnr) == (0, 5, 34)  # as near as it comes
    assert (high.setting, high.kb) == (100, 15)


class _InThisProcess:
    """In place of the pool: a process that imports torch for every tiny row takes too long."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> _InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, call: Callable[..., object], *arguments: object) -> _InThisProcess:
        self._value = call(*arguments)
        return self

    def result(self) -> object:
        return self._value


def _never(*_: object) -> None:
    raise AssertionError("found in the cache")
