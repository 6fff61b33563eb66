"""The tables of `gscodec bench rd`, from what was measured; no table where nothing was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gscodec.base.errors import Misuse
from gscodec.bench import plan
from gscodec.bench.bdrate import bd_rate
from gscodec.bench.curve import Point, Rate, rate_at
from gscodec.bench.derived import DERIVED
from gscodec.bench.tables import markdown_table
from gscodec.codec.settings import DEFAULT_QUALITY

if TYPE_CHECKING:
    from gscodec.bench.results import Results, Still

__all__ = ["sections"]

H264 = "video"  # the attribute of bytes_by that travels as H.264
SMALL_GAIN = 1.0  # percent: a tool that gives less everywhere goes out
PEERS = (plan.V3, plan.V3_HELD, plan.HEVC)


def sections(results: Results, plots: Mapping[str, str]) -> dict[str, str]:
    """Section of the page to its text; `plots`: path of the picture of a sequence or scene."""
    moving = {k: v for k, v in plots.items() if k in plan.SEQUENCES}
    parts = {
        "bench rd": [_rates(results), _at_target(results), _attributes(results), _default(results),
                     _shuffled(results), _bd(results), _reproduced(results), _links(moving)],
        "bench rd static": [_stills(results), _links({k: v for k, v in plots.items() if k in plan.STATIC})],
        "bench rd loop": [_loop(results)],
        "bench rd tools": [_tools(results)],
    }  # fmt: skip
    if not any(label != "compact" for name, label in results.curves):  # only what ablation stands on
        parts["bench rd"] = []
    return {name: "\n\n".join(filter(None, texts)) for name, texts in parts.items() if any(texts)}


def _names(results: Results) -> list[str]:
    return [n for n in plan.SEQUENCES if any(name == n for name, _ in results.curves)]


def _links(plots: Mapping[str, str]) -> str:
    if not plots:
        return ""
    return "Rate curves: " + ", ".join(f"[{name}]({path})" for name, path in plots.items()) + "."


def _rates(results: Results) -> str:
    names = _names(results)
    rows = []
    for label in (*PEERS, "video", "compact"):
        curves = [results.curves.get((name, label)) for name in names]
        if any(curves):
            rows.append([label, *(str(rate_at(c.points)) if c else "" for c in curves)])
        if label in plan.PAYLOADS_MEASURED:
            rows.append([f"{label}: must reach", *(f"{getattr(plan.GOALS[n], label):g}" for n in names)])
    rows.append(["compact: aim", *(f"{plan.GOALS[n].aim:g}" for n in names)])
    if not names:
        return ""
    return (
        "### Kilobytes a frame at 40 dB\n\nForeground PSNR, mean over the measure's views and frames; whole "
        "file. Interpolated in log rate between two encodes at most 1.5 dB apart, each decoded from its file "
        "(peers: between the nearest points); e: extrapolated.\n\n" + markdown_table(["", *names], rows)
    )


def _at_target(results: Results) -> str:
    rows = []
    for name in _names(results):
        for payload in plan.PAYLOADS_MEASURED:
            curve = results.curves.get((name, payload))
            if curve is None or curve.looks is None:
                continue
            p = min(curve.points, key=lambda point: abs(point.psnr - 40))
            looks = curve.looks
            rows.append(
                [f"{name}, {payload}", f"{p.setting:g}", f"{p.kb:.2f}", f"{p.psnr:.2f}", f"{p.worst:.2f}",
                 f"{looks.close - p.psnr:+.2f}", f"{looks.low - p.psnr:+.2f}", f"{p.ssim:.4f}",
                 f"{looks.temporal:.2f}", f"{p.seconds:.0f}", _share(p.bytes_by)]
            )  # fmt: skip
    head = ["", "quality", "KB a frame", "mean dB", "worst view and frame", "`close` less mean", "`low` less mean",
            "SSIM", "temporal dB", "seconds", "through H.264"]  # fmt: skip
    return _table(
        "### The encode nearest to 40 dB\n\n`close` and `low` may be 3 dB under the mean of `test` (not asked of seq-trio, which has its own views alone). Seconds: of the "
        "encode, on one core beside another job.",
        head,
        rows,
    )


def _share(bytes_by: Mapping[str, int]) -> str:
    total = sum(bytes_by.values())
    return f"{100 * bytes_by.get(H264, 0) / total:.0f} %" if total else ""


def _attributes(results: Results) -> str:
    points = {
        name: min(results.curves[name, "compact"].points, key=lambda p: abs(p.psnr - 40))
        for name in _names(results)
        if (name, "compact") in results.curves
    }
    attributes = list(dict.fromkeys(a for p in points.values() for a in p.bytes_by))
    rows = []
    for attribute in attributes:
        shares = [p.bytes_by.get(attribute, 0) / max(1, sum(p.bytes_by.values())) for p in points.values()]
        if any(shares):
            kb = [p.kb * share for p, share in zip(points.values(), shares, strict=True)]
            rows.append([attribute, *(f"{v:.2f}" for v in kb)])
    return _table("### Bytes by attribute: `compact` near 40 dB, KB a frame", ["", *points], rows)


def _default(results: Results) -> str:
    rows = []
    for name in _names(results):
        for payload in plan.PAYLOADS_MEASURED:
            curve = results.curves.get((name, payload))
            for p in curve.points if curve else []:
                if p.setting == DEFAULT_QUALITY:
                    rows.append([f"{name}, {payload}", *_figures(p)])
    head = ["", "KB a frame", "mean dB", "worst view and frame, dB", "SSIM", "seconds"]
    return _table("### At the default quality", head, rows)


def _figures(p: Point) -> list[str]:
    return [f"{p.kb:.2f}", f"{p.psnr:.2f}", f"{p.worst:.2f}", f"{p.ssim:.4f}", f"{p.seconds:.0f}"]


def _shuffled(results: Results) -> str:
    rows = []
    for name, point in results.shuffled.items():
        twin = results.curves.get((plan.SHUFFLED[name], "compact"))
        if twin is not None:
            equal = rate_at(twin.points, point.psnr).kb
            rows.append([name, f"{point.kb:.2f}", f"{equal:.2f}", f"{100 * (point.kb / equal - 1):+.1f} %"])
    head = ["", "KB a frame", "tracked twin at its PSNR", "difference (at most 3 %)"]
    return _table("### Rows in no order, `compact` at the default quality", head, rows)


def _bd(results: Results) -> str:
    rows = []
    for name in _names(results):
        for anchor in (*PEERS, "video"):
            a, b = results.curves.get((name, anchor)), results.curves.get((name, "compact"))
            if a is not None and b is not None:
                rows.append([f"{name}, {anchor}", *_bd_cells(a.points, b.points)])
    return _table(
        "### BD-rate of `compact`\n\nMean difference in log rate over the PSNR that both curves cover "
        "(piecewise cubic); minus is fewer bytes.",
        ["against", "BD-rate", "from dB", "to dB"],
        rows,
    )


def _bd_cells(anchor: Sequence[Point], test: Sequence[Point]) -> list[str]:
    try:
        result = bd_rate(anchor, test)
    except Misuse:
        return ["too few points", "", ""]
    if result is None:
        return ["no common range", "", ""]
    return [f"{result.percent:+.1f} %", f"{result.low:.1f}", f"{result.high:.1f}"]


def _reproduced(results: Results) -> str:
    rows = []
    for name in _names(results):
        curve = results.curves.get((name, plan.V3))
        known = plan.V3_KNOWN[name]
        for p in curve.points if curve else []:
            if int(p.setting) in known:
                kb, db = known[int(p.setting)]
                change = f"{100 * (p.kb / kb - 1):+.1f} %"
                rows.append(
                    [name, f"{p.setting:g}", f"{p.kb:.1f}", f"{kb}", change, f"{p.psnr:.2f}", f"{db}"]
                )
    head = ["", "QP", "KB a frame", "known", "difference", "dB", "known"]
    return _table("### The V3-like peer against its known points", head, rows)


def _stills(results: Results) -> str:
    rows = [row for name, still in results.stills.items() for row in _still_rows(name, still)]
    return _table(
        "### Static scenes: bytes a Gaussian at the peer's PSNR\n\nPeers written and read back by splat-transform; "
        "ours is `compact`, interpolated in log rate at exactly the peer's PSNR; beside it with `--drop-hidden`, over "
        "all Gaussians of the scene. playbot was decoded from a SOG, whose shipped bytes stand here.",
        ["", "Gaussians", "peer", "dB", "ours", "ours to peer", "must reach", "hidden dropped", "saves"],
        rows,
    )


def _still_rows(name: str, still: Still) -> list[list[str]]:
    slots = str(still.slots)
    rows = []
    for kind, peer in still.peers.items():
        rate = rate_at(still.ours, peer.psnr)
        rows.append(
            [f"{name}, {kind}", slots, f"{1000 * peer.kb / still.slots:.2f}", f"{peer.psnr:.2f}", _each(rate, still),
             f"{rate.kb / peer.kb:.2f}", plan.STATIC_GOALS.get((name, kind), ""), *_dropped(still, peer.psnr)]
        )  # fmt: skip
    if still.shipped is not None:
        shipped = f"{still.shipped / still.slots:.2f}"
        rows.append([f"{name}, SOG as shipped", slots, shipped, "", "", "", "", "", ""])
    if not still.peers:
        p = still.ours[0]
        each = f"{1000 * p.kb / still.slots:.2f}"
        rows.append([f"{name}, no peer", slots, "", f"{p.psnr:.2f}", each, "", "", "", ""])
    return rows


def _each(rate: Rate, still: Still) -> str:
    """Bytes a Gaussian of the scene."""
    return f"{1000 * rate.kb / still.slots:.2f}" + (" e" if rate.extrapolated else "")


def _dropped(still: Still, psnr: float) -> list[str]:
    """Bytes a Gaussian without hidden ones, and what that saves."""
    if not still.dropped:
        return ["", ""]
    rate = rate_at(still.dropped, psnr)
    return [_each(rate, still), f"{100 * (1 - rate.kb / rate_at(still.ours, psnr).kb):.1f} %"]


def _loop(results: Results) -> str:
    curve, seams = results.curves.get((plan.LOOP, "compact")), results.seams
    if seams is None:
        return ""
    rows = []
    if curve is not None:
        rows.append(
            [f"KB a frame at 40 dB, `--gop {DERIVED[plan.LOOP].gop}`", str(rate_at(curve.points)),
             f"{plan.LOOP_GOAL.compact:g} (aim {plan.LOOP_GOAL.aim:g})"]
        )  # fmt: skip
    if seams.border is not None and seams.inside is not None:
        at = f"`--gop {plan.SEAMS_GOP}`"
        rows += [
            [f"temporal dB of pairs across borders, {at}", f"{seams.border:.2f}", ""],
            [f"temporal dB of pairs inside, {at}", f"{seams.inside:.2f}", ""],
            ["across less inside", f"{seams.border - seams.inside:+.2f}", "-0.5 or more"],
        ]
    return _table(
        f"### {DERIVED[plan.LOOP].source} forth and back, 60 frames, `compact`\n\nSeams at the default quality.",
        ["", "measured", "must reach"],
        rows,
    )


def _tools(results: Results) -> str:
    """Each tool's bytes over the full codec's at the same PSNR."""
    names = [
        n for n in (*plan.SEQUENCES, *DERIVED, *plan.STATIC) if any(name == n for name, _ in results.tools)
    ]
    rows = []
    for tool in plan.TOOLS:
        changes = {n: _change(results, n, tool.name) for n in names if (n, tool.name) in results.tools}
        if changes:
            verdict = "" if max(percent for percent, _ in changes.values()) >= SMALL_GAIN else "under 1 %"
            cells = [f"{changes[n][0]:+.1f} %{changes[n][1]}" if n in changes else "" for n in names]
            rows.append([tool.name, *cells, verdict])
    return _table(
        "### Each tool switched off: bytes at equal PSNR, `compact` near 40 dB\n\nPlus: bytes that the tool saves. "
        "Static scenes: near a peer's PSNR. Against the full codec's curve at the PSNR that the encode without the tool reached; "
        "e: beyond that curve's ends.",
        ["switched off", *names, ""],
        rows,
    )


def _change(results: Results, name: str, tool: str) -> tuple[float, str]:
    """Percent of bytes more without the tool, and " e" where the full codec's curve had to be extrapolated."""
    point = results.tools[name, tool]
    full = rate_at(results.full(name), point.psnr)
    return 100 * (point.kb / full.kb - 1), " e" if full.extrapolated else ""


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"{title}\n\n{markdown_table(head, rows)}" if rows else ""
