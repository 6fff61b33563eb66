"""One GOP from splats to a segment at a wanted quality: sensitivity, tracks, steps, and lambda found in the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gscodec.base.errors import BadInput
from gscodec.base.threads import in_threads
from gscodec.codec.decoder import Gop
from gscodec.codec.encoder import EncodedGop, Quantised, Tools, quantise_tracks, write_segment
from gscodec.codec.model.channels import channel_count
from gscodec.codec.model.nodes import node_count
from gscodec.codec.model.steps import Steps, flat_steps, sensitive_steps
from gscodec.codec.model.tracks import Tracks, make_tracks
from gscodec.codec.planes import Planes
from gscodec.codec.quality import Check, next_lambda, stalled
from gscodec.codec.segment import MAX_LATTICE_BITS, Model, join_segment
from gscodec.codec.settings import EncodeSettings, target_psnr
from gscodec.codec.shared import SharedBase, born_since, shared_steps, shared_tracks
from gscodec.splats.model import Splats

if TYPE_CHECKING:
    from gscodec.render.cameras import Camera
    from gscodec.render.kept import SensitivityCache
    from gscodec.render.sensitivity import Sensitivity

__all__ = ["GopJob", "GopResult", "Preset", "PRESET_EFFORT", "encode_gop", "seen_rows"]


@dataclass(frozen=True, slots=True)
class Preset:
    """How much work a preset puts into a GOP."""

    sensitivity_frames: int
    sensitivity_every_gop: bool
    check_frames: int  # frames of the quality check
    first_tries: int  # encodes of the first GOP while looking for lambda
    later_tries: int
    tolerance_db: float
    compare_parts: bool  # parts are kept where an encode without them is dearer, not where a model says so


PRESET_EFFORT = {
    "fast": Preset(1, False, 1, 3, 1, 0.5, False),
    "balanced": Preset(3, True, 2, 5, 2, 0.15, True),
    "best": Preset(5, True, 3, 6, 3, 0.1, True),
}
RATE_A_DB = 0.1  # change of log bytes that a decibel is worth, to compare two encodes near each other
FIRST_GUESS = 0.6  # of the formula: geometric mean over scenes; the search does the rest
# Squared error, where a Gaussian is missed most, up to which it may go, in lambda^2; and what the bytes of one that goes
# buy elsewhere (50 bits), in the mean of all views: all that go together may cost that each.
HIDDEN, WORTH = 16.0, 6.0
FEWER, HIDING_TRIES = 8.0, 4  # where they cost more together, the threshold is so much lower
TOGETHER_VIEWS = 16
SHARED_MOST = 1.0  # of the bytes a frame of the GOP that the base is from; beyond, one of its own is tried


Made = tuple[Tracks, Steps, Planes | None]  # what quantise_tracks takes


@dataclass
class _Try:
    """What came of some steps. Its bytes are made when they are asked for."""

    gop: Quantised
    psnr: tuple[float, float]  # mean, worst
    _encoded: EncodedGop | None = None

    def encoded(self) -> EncodedGop:
        if self._encoded is None:
            self._encoded = write_segment(self.gop)
        return self._encoded


@dataclass
class GopJob:
    """What encode_gop needs. Picklable: GOPs are encoded in parallel processes."""

    frames: list[Splats]
    settings: EncodeSettings
    cameras: list[Camera]  # where sensitivity is measured
    check_cameras: list[Camera]  # where quality is looked at while encoding
    ids: np.ndarray  # (N,) the number of the Gaussian in each row of `frames`
    lam: float | None = None  # of the first GOP; None: this is the first
    sensitivity: Sensitivity | None = None  # of the first GOP, where the preset measures only there
    shared: SharedBase | None = None  # the base to build on, where there is one
    keep_base: bool = False  # whether later GOPs build on this one's
    first_rows: bool = True  # whether its slots are the first GOP's
    cache: SensitivityCache | None = None  # of what was measured before
    # None of them may miss what is dropped of a static scene; without any, all is kept.
    around: list[Camera] = field(default_factory=list)


@dataclass
class GopResult:
    payload: bytes
    lam: float | None  # None: nothing was looked for
    psnr: float
    worst: float
    bytes_by: dict[str, int]
    stages: dict[str, float] = field(default_factory=dict)  # seconds
    sensitivity: Sensitivity | None = None
    shared: SharedBase | None = None  # its own base, for later GOPs
    on_shared: bool = False  # whether it builds on the base it was given
    hidden: int = 0  # Gaussians that were dropped
    coarse: bool = False  # whether positions are told no finer because the lattice is as large as can be


class _Clock:
    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - start


def encode_gop(job: GopJob) -> GopResult:
    """Encode one GOP: lambda starts at the first GOP's and is corrected until the picture is as good as asked."""
    if len(job.frames[0]) == 0:
        return _encode_empty(job)
    clock = _Clock()
    effort = PRESET_EFFORT[job.settings.preset]
    with clock.stage("quality check"):
        check = Check(job.frames, effort.check_frames, job.check_cameras, job.settings.kernel)
    if job.shared is None:
        return _encode_own(job, effort, check, clock)
    try:
        result = _encode_shared(job, job.shared, effort, check, clock)
    except BadInput:  # something is so far from the base that the format can't tell it from there
        return _encode_own(job, effort, check, clock)
    if len(result.payload) <= SHARED_MOST * job.shared.bytes_a_frame * len(job.frames):
        return result
    own = _encode_own(job, effort, check, clock)
    return own if len(own.payload) < len(result.payload) else result


def _encode_shared(job: GopJob, shared: SharedBase, effort: Preset, check: Check, clock: _Clock) -> GopResult:
    """On the base of an earlier GOP: classes and order are that one's, but of what is born since."""
    sens: dict[int, Sensitivity] = {}
    if len(born_since(job.ids, shared.ids)):
        with clock.stage("sensitivity"):
            sens = _sensitivities(job, effort)
    with clock.stage("tracks"):
        use_gauge = "gauge" not in job.settings.without
        tracks = shared_tracks(job.frames, job.ids, shared, sens, use_gauge=use_gauge)
    encoded, lam, psnr = _search(
        job,
        effort,
        lambda at: (tracks, shared_steps(shared, tracks, at), shared.planes),
        job.lam or shared.lam,
        check,
        clock,
    )
    return GopResult(encoded.payload, lam, psnr[0], psnr[1], encoded.bytes_by, clock.stages, on_shared=True)


def _encode_own(job: GopJob, effort: Preset, check: Check, clock: _Clock) -> GopResult:
    with clock.stage("sensitivity"):
        sens = _sensitivities(job, effort)
    measured = next(iter(sens.values()))
    lam = job.lam or _first_lambda(job, measured)
    steps = lam / np.sqrt(np.maximum(measured.means.mean(axis=1), 1e-30))

    def tracks_of(use_parts: bool, nodes: int = 0) -> Tracks:
        with clock.stage("tracks"):
            return make_tracks(
                job.frames,
                sens,
                use_parts=use_parts,
                nodes=nodes,
                use_gauge="gauge" not in job.settings.without,
                steps=steps,
            )

    make_steps = _steps_of(job)
    if job.around:
        return _encode_seen(job, effort, sens, lam, check, clock)
    tracks = tracks_of("parts" not in job.settings.without)
    tried = None
    if tracks.parts and effort.compare_parts:
        tracks, tried = _compare_parts(job, tracks, tracks_of, lam, check, clock)
    encoded, lam, psnr = _search(
        job, effort, lambda at: (tracks, make_steps(tracks, at), None), lam, check, clock, tried
    )
    shared = None
    if job.keep_base:
        shared = SharedBase(
            encoded.planes.base_only(), job.ids[encoded.rows], make_steps(tracks, lam).coef_unit, lam,
            len(encoded.payload) / len(job.frames),
        )  # fmt: skip
    return GopResult(
        encoded.payload, lam, psnr[0], psnr[1], encoded.bytes_by, clock.stages,
        None if effort.sensitivity_every_gop else measured, shared, coarse=_is_coarse(encoded.planes),
    )  # fmt: skip


def _compare_parts(
    job: GopJob, hard: Tracks, tracks_of: Callable[..., Tracks], lam: float, check: Check, clock: _Clock
) -> tuple[Tracks, _Try]:
    """The cheapest of hard parts, none and, where hard ones are cheaper than none, soft ones; by real bytes."""
    make_steps = _steps_of(job)

    def tries(*some: Tracks) -> list[_Try]:
        return [_try(job, (one, make_steps(one, lam), None), check, clock) for one in some]

    def scores(some: list[_Try]) -> list[float]:
        with clock.stage("coding"):
            return in_threads(_score, some)

    plain = tracks_of(False)
    both = tries(hard, plain)
    of_hard, of_none = scores(both)
    if of_none < of_hard:
        return plain, both[1]
    nodes = 0 if "soft parts" in job.settings.without else node_count(hard.slots)
    if nodes:
        soft = tracks_of(True, nodes)
        third = tries(soft)
        if scores(third)[0] < of_hard:
            return soft, third[0]
    return hard, both[0]


def _is_coarse(planes: Planes) -> bool:
    """Whether positions can be told no finer: the lattice has as many cells as can be."""
    return max(planes.model.bits) == MAX_LATTICE_BITS


def _steps_of(job: GopJob) -> Callable[[Tracks, float], Steps]:
    return flat_steps if "sensitivity" in job.settings.without else sensitive_steps


def _encode_seen(
    job: GopJob, effort: Preset, sens: dict[int, Sensitivity], lam: float, check: Check, clock: _Clock
) -> GopResult:
    """A static scene without the Gaussians that it looks the same without, by the measure of lambda."""
    with clock.stage("visibility"):
        losses = _losses(job)
        together = _together(job)

    def make(at: float) -> Made:
        with clock.stage("tracks"):
            rows = seen_rows(losses, at, together)
            tracks = make_tracks(
                [job.frames[0].take(rows)], {0: sens[0].take(rows)},
                use_parts=False, use_gauge="gauge" not in job.settings.without, steps=None,
            )  # fmt: skip
        return tracks, _steps_of(job)(tracks, at), None

    encoded, lam, psnr = _search(job, effort, make, lam, check, clock)
    return GopResult(
        encoded.payload, lam, psnr[0], psnr[1], encoded.bytes_by, clock.stages,
        hidden=len(job.frames[0]) - encoded.planes.model.slots,
        coarse=_is_coarse(encoded.planes),
    )  # fmt: skip


def seen_rows(losses: np.ndarray, lam: float, together: Callable[[np.ndarray], float]) -> np.ndarray:
    """Rows worth their bytes at lambda. Each is judged alone (N,), then those that go by `together`: the error without
    all of them. Many of a kind are each not missed, and leave a hole."""
    everything, threshold = np.arange(len(losses)), HIDDEN * lam**2
    for _ in range(HIDING_TRIES):
        rows = np.flatnonzero(losses >= threshold)
        if 0 < len(rows) < len(losses) and together(rows) <= WORTH * lam**2 * (len(losses) - len(rows)):
            return rows
        threshold /= FEWER
    return everything


def _together(job: GopJob) -> Callable[[np.ndarray], float]:
    """The squared error of showing some rows alone, summed over pixels and RGB, mean over black, white and views."""
    from gscodec.render.rasterize import rasterize

    cameras = job.around[:: max(1, len(job.around) // TOGETHER_VIEWS)]
    kernel = job.settings.kernel
    want = [rasterize(job.frames[0], camera, kernel=kernel) for camera in cameras]

    def error(rows: np.ndarray) -> float:
        total, frame = 0.0, job.frames[0].take(rows)
        for (rgb, alpha), camera in zip(want, cameras, strict=True):
            colour, opacity = rasterize(frame, camera, kernel=kernel)
            off, white = (colour - rgb).astype(np.float64), (alpha - opacity).astype(np.float64)[..., None]
            total += 0.5 * float((off**2).sum() + ((off + white) ** 2).sum())
        return total / len(cameras)

    return error


def _losses(job: GopJob) -> np.ndarray:
    from gscodec.render.visibility import losses_without

    measure = job.cache.losses if job.cache else losses_without
    return measure(job.frames[0], job.around, kernel=job.settings.kernel)


def _try(job: GopJob, made: Made, check: Check, clock: _Clock) -> _Try:
    with clock.stage("coding"):
        gop = quantise_tracks(*made, _tools(job))
    with clock.stage("quality check"):
        return _Try(gop, check.measure(Gop(gop.planes)))


def _score(tried: _Try) -> float:
    """Log bytes of an encode, less what its quality is worth."""
    return float(np.log(len(tried.encoded().payload)) - RATE_A_DB * tried.psnr[0])


def _tools(job: GopJob) -> Tools:
    settings = job.settings
    return Tools(
        video=settings.payload == "video",
        preset=settings.preset,
        device=settings.device,
        without=settings.without,
    )


def _encode_empty(job: GopJob) -> GopResult:
    """A GOP without Gaussians: only MODEL has bytes."""
    from gscodec.render.metrics import PSNR_CAP

    degree = job.frames[0].sh_degree
    channels = channel_count(degree)
    model = Model(len(job.frames), 0, degree)
    model.base_unit = model.coef_unit = np.ones(channels, np.float32)
    model.mode = model.beta = [[] for _ in range(channels)]
    payload = join_segment({"model": model.write()})
    return GopResult(payload, None, PSNR_CAP, PSNR_CAP, {"model": len(payload)})


def _sensitivities(job: GopJob, effort: Preset) -> dict[int, Sensitivity]:
    from gscodec.render.sensitivity import measure_sensitivity

    count = len(job.frames)
    if job.sensitivity is not None and job.first_rows:
        return {count // 2: job.sensitivity}
    n = min(count, effort.sensitivity_frames)
    picks = sorted({int((i + 0.5) * count / n) for i in range(n)})
    measure = job.cache.measure if job.cache else measure_sensitivity
    # Each frame has its own share of the cameras: more directions for the same work.
    return {
        t: measure(
            job.frames[t],
            job.cameras[i :: len(picks)],
            kernel=job.settings.kernel,
            device=job.settings.device,
        )
        for i, t in enumerate(picks)
    }


def _first_lambda(job: GopJob, sens: Sensitivity) -> float:
    """Lambda at which quantisation noise would have the wanted energy: n lambda^2 / 12 = MSE * samples."""
    mse = 10 ** (-target_psnr(job.settings.quality) / 10)
    frames = len(job.frames)
    per_slot = (12 + 3 * job.frames[0].sh.shape[1]) / frames + (3 if frames > 1 else 0)
    return FIRST_GUESS * float(
        np.sqrt(12 * mse * 3 * max(sens.pixels, 1.0) / (len(job.frames[0]) * per_slot))
    )


def _search(
    job: GopJob,
    effort: Preset,
    make: Callable[[float], Made],
    lam: float,
    check: Check,
    clock: _Clock,
    tried: _Try | None = None,
) -> tuple[EncodedGop, float, tuple[float, float]]:
    """Quantise what `make` gives at lambda, look, correct: a secant on log2 lambda; then encode. `tried`: what came of
    `lam` already."""
    want = target_psnr(job.settings.quality)
    tries = effort.first_tries if job.lam is None else effort.later_tries
    seen: list[tuple[float, float]] = []
    best: tuple[float, _Try, float] | None = None
    for i in range(tries):
        one = tried if tried and i == 0 else _try(job, make(lam), check, clock)
        seen.append((float(np.log2(lam)), one.psnr[0]))
        if _is_coarse(one.gop.planes) and stalled(seen):
            break
        miss = abs(one.psnr[0] - want)
        if best is None or miss < best[0]:
            best = (miss, one, lam)
        if miss <= effort.tolerance_db or i == tries - 1:
            break
        lam = 2 ** next_lambda(seen, want)
    assert best is not None
    with clock.stage("coding"):
        return best[1].encoded(), best[2], best[1].psnr
