"""`gscodec bench rd`: rate-distortion of both payloads beside the peers, and what each tool is worth.

Every point is cached by what it depends on, so a killed run goes on where it was, and tables share points. Jobs
run in processes; each walks one curve, since a next point depends on the last.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gscodec.base.errors import MissingDependency, Misuse
from gscodec.base.threads import processors, share_processors
from gscodec.bench import plan
from gscodec.bench.curve import TARGET_DB, Point, bracket
from gscodec.bench.data import DATA_ENV, code_digest, open_cache, sequence_folder
from gscodec.bench.derived import DERIVED, derived_folder
from gscodec.bench.parts import RD_PARTS
from gscodec.bench.peer_static import shipped_bytes
from gscodec.bench.plot import rate_plot
from gscodec.bench.points import Bench
from gscodec.bench.results import Curve, Results, Still
from gscodec.bench.tables import provenance, write_section
from gscodec.codec.settings import DEFAULT_QUALITY, EncodeSettings, target_psnr

__all__ = ["RdOptions", "nearest", "run_rd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RdOptions:
    """`parts` of RD_PARTS; `tools`: names of plan.TOOLS; `peers`: measure them too; `jobs`: processes;
    `output`: the Markdown file whose sections are replaced, None for none; `plots`: folder of its pictures."""

    data: Path | None = None
    sequences: tuple[str, ...] = plan.SEQUENCES
    scenes: tuple[str, ...] = plan.STATIC
    parts: tuple[str, ...] = RD_PARTS
    tools: tuple[str, ...] = tuple(tool.name for tool in plan.TOOLS)
    peers: bool = True
    jobs: int = 2
    json: bool = False
    cache: Path = Path("bench-cache")
    output: Path | None = Path("BENCHMARKS.md")
    plots: Path = Path("docs/bench")
    command: str = "gscodec bench rd"


@dataclass(frozen=True, slots=True)
class Job:
    """One curve or point. `label`: payload, peer or tool; `quality`: of a tool's encode."""

    kind: str
    name: str
    label: str = ""
    quality: float = 0.0


def run_rd(options: RdOptions) -> int:
    """Measure, print to stdout, write sections and plots; 1 where the V3-like peer is not reproduced."""
    _check(options)
    open_cache(options.cache)
    results = Results()
    with _pool(options.jobs) as pool:
        _collect(results, _first_jobs(options), options, pool)
        _collect(results, _tool_jobs(results, options), options, pool)
    _publish(results, options)
    return 0 if reproduced(results) else 1


def _check(options: RdOptions) -> None:
    known = {
        "parts": RD_PARTS,
        "tools": tuple(t.name for t in plan.TOOLS),
        "sequences": plan.SEQUENCES,
        "scenes": plan.STATIC,
    }
    for name, values in known.items():
        if unknown := set(getattr(options, name)) - set(values):
            raise Misuse(f"unknown {name}; known: {', '.join(values)}", **{name: ", ".join(sorted(unknown))})


def _pool(jobs: int) -> ProcessPoolExecutor:
    """Processes that share the cores between them; spawned, since numba's threads do not survive a fork."""
    threads = max(1, processors() // max(1, jobs))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))
    return ProcessPoolExecutor(max(1, jobs), get_context("spawn"), share_processors, (max(1, jobs),))


def _first_jobs(options: RdOptions) -> list[Job]:
    """All that depends on nothing else, the longest first. Ablation needs the `compact` curves."""
    jobs: list[Job] = []
    wanted = _wanted_tools(options)
    for name, clip in DERIVED.items():
        asked = (name == plan.LOOP and "loop" in options.parts) or any(name in t.where for t in wanted)
        if asked and clip.source in options.sequences:
            jobs.append(Job("derived", name, "compact"))
    if "loop" in options.parts and DERIVED[plan.LOOP].source in options.sequences:
        jobs.append(Job("seams", plan.LOOP, "compact"))
    for name in reversed(options.sequences):
        if "rates" in options.parts:
            jobs += [Job("curve", name, payload) for payload in plan.PAYLOADS_MEASURED]
            labels = (plan.V3, plan.V3_HELD, plan.HEVC) if options.peers else ()
            jobs += [Job("peer", name, label) for label in labels]
        elif any(name in tool.where for tool in wanted):
            jobs.append(Job("curve", name, "compact"))
    if "static" in options.parts or any(set(plan.STATIC) & set(tool.where) for tool in wanted):
        jobs += [Job("still", name) for name in reversed(options.scenes)]
    if "rates" in options.parts:
        jobs += [Job("shuffled", n) for n, twin in plan.SHUFFLED.items() if twin in options.sequences]
    return jobs


def _wanted_tools(options: RdOptions) -> list[plan.Tool]:
    return [t for t in plan.TOOLS if "tools" in options.parts and t.name in options.tools]


def _tool_jobs(results: Results, options: RdOptions) -> list[Job]:
    """One encode for each tool and sequence or scene, at the quality of the full codec's point nearest to 40 dB."""
    return [
        Job("tool", name, tool.name, nearest(full).setting)
        for name in (*DERIVED, *reversed(plan.SEQUENCES), *reversed(plan.STATIC))
        for tool in _wanted_tools(options)
        if name in tool.where and (full := results.full(name))
    ]


def _collect(results: Results, jobs: Sequence[Job], options: RdOptions, pool: ProcessPoolExecutor) -> None:
    for name in {job.name for job in jobs}:
        _folder(name, options)  # unpacked here: once
    futures = [(job, pool.submit(run_job, job, options)) for job in jobs]
    try:
        for job, future in futures:
            _store(results, job, future.result())
    except BaseException:
        pool.shutdown(
            wait=False, cancel_futures=True
        )  # what runs is finished, and kept; the rest is not begun
        raise


def _store(results: Results, job: Job, value: Any) -> None:
    if job.kind in ("curve", "peer", "derived"):
        results.curves[job.name, job.label] = value
    elif job.kind == "tool":
        results.tools[job.name, job.label] = value
    elif job.kind == "still":
        results.stills[job.name] = value
    elif job.kind == "shuffled":
        results.shuffled[job.name] = value
    else:
        results.seams = value


def run_job(job: Job, options: RdOptions) -> Any:
    """The work of one process: a Curve, a Point, a Still or Looks, by the job's kind."""
    bench = _bench(job.name, _folder(job.name, options), options.cache)
    if job.kind == "peer":
        return _peer_curve(bench, job.label)
    if job.kind == "still":
        return _still(bench, options)
    if job.kind == "shuffled":
        return bench.ours(EncodeSettings(quality=DEFAULT_QUALITY, payload="compact"))
    if job.kind == "seams":
        return bench.looks(EncodeSettings(quality=DEFAULT_QUALITY, payload="compact", gop=plan.SEAMS_GOP))
    if job.kind == "tool":
        switches = next(tool.off for tool in plan.TOOLS if tool.name == job.label)
        return bench.ours(EncodeSettings(**{**_base(job.name), "quality": job.quality, **switches}))
    return _our_curve(bench, {**_base(job.name), "payload": job.label}, whole=job.kind == "curve")


@lru_cache(maxsize=1)
def _bench(name: str, folder: Path, cache: Path) -> Bench:
    """The last sequence's stays: jobs come sequence by sequence, and it keeps the reference's pictures."""
    return Bench(name, folder, cache, _say)


def _base(name: str) -> dict[str, Any]:
    """Settings of the codec that tools are switched off from."""
    return {"payload": "compact", "gop": DERIVED[name].gop if name in DERIVED else None}


def _our_curve(bench: Bench, settings: dict[str, Any], *, whole: bool) -> Curve:
    """Two points around 40 dB; the qualities of every curve and looks too where it is to be `whole`."""

    def ours(quality: float) -> Point:
        return bench.ours(EncodeSettings(**settings, quality=quality))

    qualities = plan.CURVE_QUALITIES[settings["payload"]] if whole else ()
    points = bracket(ours, plan.QUALITY_KNOB, [ours(q) for q in qualities])
    if not whole:
        return Curve(points)
    return Curve(points, bench.looks(EncodeSettings(**settings, quality=nearest(points).setting)))


def _peer_curve(bench: Bench, label: str) -> Curve:
    if label == plan.HEVC:
        return Curve(bracket(bench.hevc, plan.HEVC_KNOB, [bench.hevc(p) for p in plan.HEVC_POINTS]))
    floor = plan.NOISE_FLOOR if label == plan.V3_HELD else 0.0
    known = [bench.v3(qp, floor) for qp in plan.V3_KNOWN.get(bench.name, plan.V3_QPS)]
    return Curve(bracket(lambda qp: bench.v3(qp, floor), plan.QP_KNOB, known))


def _still(bench: Bench, options: RdOptions) -> Still:
    """Each peer once, and ours with and without hidden Gaussians bracketed about each peer's PSNR; without Node only
    ours at the default."""
    kinds = ("SPZ",) if bench.name in plan.STATIC_SHIPPED else ("SPZ", "SOG")
    try:
        peers = {kind: bench.static(kind) for kind in kinds} if options.peers else {}
    except MissingDependency as error:
        _say(f"{bench.name}: peers left out: {error}")
        peers = {}
    kept, dropped = (_about(bench, peers, drop) for drop in (False, True))
    packed = options.data or Path(os.environ.get(DATA_ENV, ""))
    shipped = shipped_bytes(packed / "packed", bench.name) if bench.name in plan.STATIC_SHIPPED else None
    return Still(bench.slots, kept or [_our_still(bench, DEFAULT_QUALITY)], peers, shipped, dropped)


def _about(bench: Bench, peers: Mapping[str, Point], drop: bool) -> list[Point]:
    """Our points about each peer's PSNR; none without peers."""

    def ours(quality: float) -> Point:
        return _our_still(bench, quality, drop)

    points: list[Point] = []
    for peer in peers.values():
        known = points or [ours(plan.QUALITY_KNOB.clamp(quality_for(peer.psnr)))]
        points = bracket(ours, plan.QUALITY_KNOB, known, peer.psnr)
    return points


def _our_still(bench: Bench, quality: float, drop: bool = False) -> Point:
    return bench.ours(EncodeSettings(quality=quality, payload="compact", drop_hidden=drop))


def _folder(name: str, options: RdOptions) -> Path:
    if name not in DERIVED:
        return sequence_folder(name, options.data, options.cache)
    source = sequence_folder(DERIVED[name].source, options.data, options.cache)
    place = options.cache / "sequences" / f"{name}-{code_digest('bench/derived.py')}"
    place.parent.mkdir(parents=True, exist_ok=True)
    return derived_folder(name, source, place)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def quality_for(psnr: float) -> float:
    """The quality that asks for a PSNR; may lie beyond the ends of the scale."""
    start, end = target_psnr(0), target_psnr(100)
    return 100 * (psnr - start) / (end - start)


def nearest(points: Sequence[Point], target: float = TARGET_DB) -> Point:
    """The point whose PSNR is nearest to the target."""
    return min(points, key=lambda p: abs(p.psnr - target))


def reproduced(results: Results) -> bool:
    """Whether the V3-like peer's bytes are within V3_TOLERANCE of its known points, where it was measured."""
    return all(
        abs(p.kb / known[int(p.setting)][0] - 1) <= plan.V3_TOLERANCE
        for (name, label), curve in results.curves.items()
        if label == plan.V3
        for known in [plan.V3_KNOWN.get(name, {})]
        for p in curve.points
        if int(p.setting) in known
    )


def _publish(results: Results, options: RdOptions) -> None:
    from gscodec.bench.rd_tables import sections

    texts = sections(results, _plot_links(results, options))
    if "static" not in options.parts:  # the tools' table stands on stills, too
        texts.pop("bench rd static", None)
    under = provenance(options.command)
    if options.json:
        print(json.dumps(_document(results), indent=1))
    else:
        print("\n\n".join([*texts.values(), under]))
    if options.output is None:
        return
    for name, text in texts.items():
        write_section(options.output, name, f"{text}\n\n{under}")
    for name, text in _plots(results, options).items():
        options.plots.mkdir(parents=True, exist_ok=True)
        (options.plots / name).write_text(text, encoding="utf-8")


def _plots(results: Results, options: RdOptions) -> dict[str, str]:
    """File name to SVG, for each sequence whose rates were asked for and each scene."""
    out = {}
    moving = [name for name in plan.SEQUENCES if (name, plan.PAYLOADS_MEASURED[0]) in results.curves]
    for name in moving if "rates" in options.parts else []:
        curves = {label: c.points for (n, label), c in results.curves.items() if n == name}
        out[f"rd-{name}.svg"] = rate_plot(name, "KB a frame (log)", curves)
    for name, still in results.stills.items() if "static" in options.parts else []:
        curves = {"compact": still.ours, **{kind: [point] for kind, point in still.peers.items()}}
        out[f"rd-{name}.svg"] = rate_plot(name, "bytes a Gaussian (log)", curves, 1000 / still.slots)
    return out


def _plot_links(results: Results, options: RdOptions) -> dict[str, str]:
    """Sequence or scene to the path of its plot, from the page."""
    page = (options.output or Path("BENCHMARKS.md")).parent
    folder = Path(os.path.relpath(options.plots, page)).as_posix()
    return {
        name.removeprefix("rd-").removesuffix(".svg"): f"{folder}/{name}" for name in _plots(results, options)
    }


def _document(results: Results) -> dict[str, Any]:
    """Everything measured, with keys joined by a slash."""
    return {
        "curves": {"/".join(key): asdict(curve) for key, curve in results.curves.items()},
        "shuffled": {name: asdict(point) for name, point in results.shuffled.items()},
        "static": {name: asdict(still) for name, still in results.stills.items()},
        "seams": asdict(results.seams) if results.seams else None,
        "tools": {"/".join(key): asdict(point) for key, point in results.tools.items()},
    }
