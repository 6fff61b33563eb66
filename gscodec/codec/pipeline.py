"""A sequence to a .gsv file and back: GOPs cut, encoded (in parallel where asked), written in order; decoded lazily."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gscodec.base.errors import BadInput, Misuse
from gscodec.base.limits import MAX_SLOTS
from gscodec.base.threads import share_processors
from gscodec.codec.choose import choose_payload
from gscodec.codec.decoder import Gop, decode_base, decode_segment
from gscodec.codec.gop import PRESET_EFFORT, GopJob, GopResult, encode_gop
from gscodec.codec.planes import Planes
from gscodec.codec.segment import Model, split_segment
from gscodec.codec.settings import MAX_GOP_FRAMES, EncodeSettings
from gscodec.codec.shared import MOST_SLOTS, builds_on
from gscodec.splats.model import Splats

if TYPE_CHECKING:
    from gscodec.container.file import GsvFile
    from gscodec.container.header import Header
    from gscodec.render.cameras import Camera
    from gscodec.render.kept import SensitivityCache
    from gscodec.splats.matching import TrackedFrame
    from gscodec.splats.model import SplatSequence

__all__ = ["DecodedSequence", "EncodeReport", "decode_file", "encode_sequence"]

SENSITIVITY_VIEWS = {"fast": 12, "balanced": 48, "best": 96}
SENSITIVITY_SIZE = {"fast": 256, "balanced": 384, "best": 512}
CHECK_VIEWS = 4
HIDING_VIEWS = {"fast": 0, "balanced": 48, "best": 96}  # from all around, for what may be dropped; 0: nothing
SHARED_GOPS = 8  # of which the first gives the others its base: what a seek must fetch besides is never far


@dataclass
class EncodeReport:
    """What an encode did. PSNR: foreground, on the encoder's own views."""

    frames: int = 0
    measured: int = 0  # frames that have Gaussians
    gops: int = 0
    bytes: int = 0
    seconds: float = 0.0
    psnr: float = 0.0
    worst: float = 100.0
    bytes_by: dict[str, int] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)  # seconds, summed over processes
    first_gop_stages: dict[str, float] = field(default_factory=dict)
    payload: str = ""
    why: str = ""  # that payload, where it was chosen
    hidden: int = 0  # Gaussians of a static scene that were dropped
    coarse: bool = False  # whether a GOP's extent allows no finer positions


def gop_length(settings: EncodeSettings, fps: float) -> int:
    """Frames of a GOP: as asked, else a second or MAX_GOP_FRAMES, whichever is shorter."""
    return settings.gop or max(1, min(round(fps), MAX_GOP_FRAMES))


def cut_gops(sequence: SplatSequence, length: int) -> Iterator[tuple[int, list[Splats], np.ndarray]]:
    """(first frame, frames, numbers of the Gaussians in their rows) of each GOP.

    A GOP has at most `length` frames, row i of all of which is slot i; Gaussians born or dead within it are unseen
    (opacity 0) for the rest. It ends early where so much changes that a new start is cheaper.
    """
    from gscodec.splats.lives import fill_slots, slot_ids
    from gscodec.splats.matching import track

    gop: list[TrackedFrame] = []
    first = 0

    def close() -> tuple[int, list[Splats], np.ndarray]:
        ids = [one.ids for one in gop]
        return first, fill_slots([one.splats for one in gop], ids), slot_ids(ids)

    born = 0  # since the GOP began
    for number, tracked in enumerate(track(iter(sequence))):
        new = 0 if not gop else int((tracked.ids > gop[-1].ids.max(initial=-1)).sum())
        slots = len(gop[0].ids) + born + new if gop else 0
        crowded = slots > min(MOST_SLOTS * len(tracked.ids), MAX_SLOTS)
        if gop and (len(gop) == length or tracked.new_run or crowded):
            yield close()
            gop, first, born, new = [], number, 0, 0
        gop.append(tracked)
        born += new
    if gop:
        yield close()


def _cameras(
    sequence: SplatSequence, settings: EncodeSettings, zone: list[dict[str, Any]] | None, up: Any
) -> tuple[list[Camera], list[Camera]]:
    """(sensitivity cameras, check cameras), seeded, from the middle frame or the viewers' zone."""
    from gscodec.render.sensitivity import sensitivity_cameras

    middle = replace(sequence[len(sequence) // 2], up=up)
    count, size = SENSITIVITY_VIEWS[settings.preset], SENSITIVITY_SIZE[settings.preset]
    cameras = sensitivity_cameras(middle, zone, seed=settings.seed, size=size, count=count)
    check = sensitivity_cameras(middle, zone, seed=settings.seed + 1, size=size, count=CHECK_VIEWS)
    return cameras, check


def _around(
    sequence: SplatSequence, settings: EncodeSettings, cameras: list[Camera], up: Any
) -> list[Camera]:
    """All that might see a Gaussian that is to be dropped: the encoder's own cameras and others from all around.

    None for more than one frame: what a view hides in the frames measured comes into sight in others.
    """
    from gscodec.render.visibility import all_round_cameras

    count = HIDING_VIEWS[settings.preset]
    if len(sequence) > 1 or count == 0 or not settings.drop_hidden:
        return []
    frame, size = replace(sequence[0], up=up), SENSITIVITY_SIZE[settings.preset]
    return cameras + all_round_cameras(frame, seed=settings.seed, size=size, count=count)


def encode_sequence(
    sequence: SplatSequence,
    out: str | Path,
    settings: EncodeSettings,
    *,
    zone: list[dict[str, Any]] | None = None,
    progress: Callable[[int, str], None] | None = None,
    cache: SensitivityCache | None = None,
) -> EncodeReport:
    """Encode `sequence` into the file `out`, which appears by rename when all is done.

    `zone`: cameras where viewers stand (dicts as in scene.json); `progress(frames, note)` is called for each GOP;
    `cache`: of sensitivities that other encodes of the same frames have measured, which changes no byte.
    The same input, settings and seed give the same bytes whatever `settings.workers`.
    Raises BadInput for bad frames, Misuse for settings that can't be, MissingDependency for `device` cuda without one.
    """
    from gscodec.base import cuda
    from gscodec.container.writer import GsvWriter
    from gscodec.render.metrics import PSNR_CAP

    if len(sequence) == 0:
        raise BadInput("the sequence has no frames")
    if settings.device == "cuda":
        for name in ("pack", "sensitivity"):
            cuda.load(name)  # built once, before any worker, and missed before any work
    start = time.perf_counter()
    up = settings.up or getattr(sequence, "up", None) or sequence[0].up
    fps = settings.fps or sequence.fps
    report = EncodeReport()
    stages: dict[str, float] = {}
    jobs = _jobs(sequence, settings, zone, up, fps, cache)
    writer: GsvWriter | None = None
    try:
        for first, n_frames, result, back in _results(jobs, settings, fps, report):
            if writer is None:
                header = make_header(
                    sequence, replace(settings, payload=report.payload), up, fps, result.payload
                )
                writer = GsvWriter(out, header)
                report.first_gop_stages = dict(result.stages)
            writer.add_segment(result.payload, first_frame=first, n_frames=n_frames, base=back)
            _book(report, stages, n_frames, result)
            if progress:
                progress(
                    n_frames, f"{result.psnr:.1f} dB, {len(result.payload) / 1000 / n_frames:.1f} KB/frame"
                )
        assert writer is not None
        writer.finish()
    except BaseException:
        if writer is not None:
            writer.abort()
        raise
    report.bytes = Path(out).stat().st_size
    report.seconds = time.perf_counter() - start
    report.stages = stages
    report.psnr = report.psnr / report.measured if report.measured else PSNR_CAP
    return report


def _book(report: EncodeReport, stages: dict[str, float], n_frames: int, result: GopResult) -> None:
    report.frames += n_frames
    report.gops += 1
    if result.lam is not None:  # frames without Gaussians have no quality
        report.psnr += result.psnr * n_frames
        report.measured += n_frames
    report.hidden += result.hidden
    report.coarse |= result.coarse
    report.worst = min(report.worst, result.worst)
    for name, n in result.bytes_by.items():
        report.bytes_by[name] = report.bytes_by.get(name, 0) + n
    for name, seconds in result.stages.items():
        stages[name] = stages.get(name, 0.0) + seconds


def _jobs(
    sequence: SplatSequence,
    settings: EncodeSettings,
    zone: list[dict[str, Any]] | None,
    up: Any,
    fps: float,
    cache: SensitivityCache | None,
) -> Iterator[tuple[int, GopJob, int]]:
    """(first frame, job, how many GOPs back the GOP lies whose base it may share; 0: none)."""
    cameras, check = _cameras(sequence, settings, zone, up)
    around = _around(sequence, settings, cameras, up)
    since_key, share = 0, "shared bases" not in settings.without
    lead = key = np.zeros(0, np.int64)
    for first, frames, ids in cut_gops(sequence, gop_length(settings, fps)):
        lead = ids if first == 0 else lead
        fresh = not share or since_key + 1 == SHARED_GOPS or not builds_on(key, ids, settings)
        since_key = 0 if first == 0 or fresh else since_key + 1
        key = ids if since_key == 0 else key
        keep = share and since_key == 0 and first + len(frames) < len(sequence)
        job = GopJob(
            frames, settings, cameras, check, ids,
            keep_base=keep, first_rows=np.array_equal(ids, lead), cache=cache, around=around,
        )  # fmt: skip
        yield first, job, since_key


def _results(
    jobs: Iterator[tuple[int, GopJob, int]], settings: EncodeSettings, fps: float, report: EncodeReport
) -> Iterator[tuple[int, int, GopResult, int]]:
    """(first frame, frames, result, GOPs back to its base or 0) in order. Notes the payload in `report`.

    The first GOP finds lambda (and the payload); the others depend on it and the GOP whose base they share, so their
    order in time does not matter. After a first GOP without Gaussians each finds its own.
    """
    first, job, _ = next(jobs)
    if settings.payload == "auto":
        choice = choose_payload(job, fps)
        lead, report.payload, report.why = choice.result, choice.payload, choice.why
        settings = replace(settings, payload=choice.payload)
    else:
        lead, report.payload = encode_gop(job), settings.payload
    yield first, len(job.frames), lead, 0
    sens = None if PRESET_EFFORT[settings.preset].sensitivity_every_gop else lead.sensitivity
    if settings.workers <= 1:
        key: GopResult = lead
        for at, j, back in jobs:
            result = encode_gop(
                replace(
                    j, settings=settings, lam=lead.lam, sensitivity=sens, shared=key.shared if back else None
                )
            )
            key = result if back == 0 else key
            yield at, len(j.frames), result, back * result.on_shared
        return
    # spawn: numba's threads do not survive a fork
    with ProcessPoolExecutor(
        settings.workers, get_context("spawn"), share_processors, (settings.workers,)
    ) as pool:
        waiting: list[tuple[int, int, Future[GopResult], int]] = []
        base: Future[GopResult] = Future()
        base.set_result(lead)
        for at, j, back in jobs:
            shared = base.result().shared if back else None
            ready = replace(j, settings=settings, lam=lead.lam, sensitivity=sens, shared=shared)
            future = pool.submit(encode_gop, ready)
            base = future if back == 0 else base
            waiting.append((at, len(j.frames), future, back))
            if len(waiting) > 2 * settings.workers:  # memory: a few GOPs, never the sequence
                yield _settle(*waiting.pop(0))
        for one in waiting:
            yield _settle(*one)


def _settle(at: int, frames: int, future: Future[GopResult], back: int) -> tuple[int, int, GopResult, int]:
    result = future.result()
    return at, frames, result, back * result.on_shared


def make_header(
    sequence: SplatSequence, settings: EncodeSettings, up: Any, fps: float, payload: bytes
) -> Header:
    """The header of a file whose first segment is `payload`."""
    from gscodec import __version__
    from gscodec.container.header import Bounds, Header, Rung

    sections, _, _ = split_segment(payload)
    model = Model.read(sections["model"])
    video = model.video_planes()
    middle = sequence[len(sequence) // 2]
    center, radius = scene_ball(middle.means, middle.opacities)
    ratio = Fraction(fps).limit_denominator(1001)
    return Header(
        generator=f"gscodec {__version__}",
        fps=(ratio.numerator, ratio.denominator),
        sh_degree=model.sh_degree,
        kernel=settings.kernel,
        up=(float(up[0]), float(up[1]), float(up[2])),
        unit_m=middle.unit_m,
        bounds=Bounds(center=center, radius=radius),
        rungs=[
            Rung(
                payload=settings.payload,
                codecs=[avc_codec(sections["video"])] if video else [],
                width=model.atlas[0],
                height=model.atlas[1],
                slots=model.slots,
                quality=settings.quality,
            )
        ],
    )


def scene_ball(means: np.ndarray, opacities: np.ndarray) -> tuple[tuple[float, float, float], float]:
    """Centre and half diagonal of the box between the 1st and 99th percentile of what is not faint (the measure's)."""
    solid = means[opacities > 0.3]
    solid = solid if len(solid) else means
    if len(solid) == 0:
        return (0.0, 0.0, 0.0), 1.0
    low, high = np.percentile(solid.astype(np.float64), [1, 99], axis=0)
    x, y, z = (float(v) for v in (low + high) / 2)
    return (x, y, z), max(float(np.linalg.norm(high - low) / 2), 1e-6)


def avc_codec(video: bytes) -> str:
    """The RFC 6381 name of an H.264 stream, from its sequence parameter set."""
    at = video.find(b"\0\0\1\x67")
    return "avc1." + video[at + 4 : at + 7].hex().upper()


class DecodedSequence:
    """A .gsv as a SplatSequence: segments are decoded when a frame of theirs is asked for; one is kept."""

    def __init__(self, file: GsvFile, rung: int = 0) -> None:
        self.file, self.rung = file, rung
        self.entries = [e for e in file.index if e.rung == rung]
        if not self.entries:
            raise Misuse("no such rung", rung=rung, file=str(file.path))
        self._gop: tuple[int, Gop] | None = None
        self._base: tuple[int, Planes] | None = None  # by number of its GOP

    @property
    def fps(self) -> float:
        numerator, denominator = self.file.header.fps
        return float(numerator) / float(denominator)

    @property
    def up(self) -> tuple[float, float, float]:
        return tuple(self.file.header.up)  # type: ignore[return-value]

    @property
    def names(self) -> list[str]:
        return [f"{self.file.path}#{i}" for i in range(len(self))]

    def gop_borders(self) -> list[int]:
        """First frames of the GOPs."""
        return [e.first_frame for e in self.entries]

    def __len__(self) -> int:
        return int(self.entries[-1].first_frame + self.entries[-1].n_frames)

    def __getitem__(self, index: int) -> Splats:
        starts = [e.first_frame for e in self.entries]
        g = int(np.searchsorted(starts, index, side="right")) - 1
        if not 0 <= index < len(self) or index >= starts[g] + self.entries[g].n_frames:
            raise IndexError(index)
        if self._gop is None or self._gop[0] != g:
            self._gop = g, self._decode(g)
        header = self.file.header
        frame = self._gop[1].frame(index - starts[g])
        return replace(frame, up=self.up, antialiased=header.kernel == "compensated", unit_m=header.unit_m)

    def _decode(self, g: int) -> Gop:
        entry = self.entries[g]
        payload = self.file.read_segment(entry)
        if entry.base == 0:
            gop = decode_segment(payload)
            self._base = entry.gop, gop.planes.base_only()
            return gop
        wanted = entry.gop - entry.base
        if self._base is None or self._base[0] != wanted:
            at = next((e for e in self.entries[:g] if e.gop == wanted), None)
            if at is None:
                raise BadInput(
                    "the segment's base is missing", file=str(self.file.path), gop=entry.gop, base=wanted
                )
            self._base = wanted, decode_base(self.file.read_segment(at))
        return decode_segment(payload, base=self._base[1])

    def __iter__(self) -> Iterator[Splats]:
        return (self[i] for i in range(len(self)))


def decode_file(path: str | Path, rung: int = 0) -> DecodedSequence:
    """Open a .gsv for decoding. Raises BadInput and its kin, naming the file."""
    from gscodec.container.file import GsvFile

    return DecodedSequence(GsvFile.open(path), rung)
