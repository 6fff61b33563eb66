"""A GOP's integers to a segment (SEGMENT.md chapter 5): the entropy coder's part of an encode.

One thread codes POSITION and BASE, another SIDE and COEFFICIENT: no section needs another's bytes.
"""

from __future__ import annotations

import numpy as np

from gscodec.base.threads import in_threads
from gscodec.codec.entropy.coder import Coder
from gscodec.codec.entropy.planes import (
    code_base_plane,
    code_classes,
    code_coefficients,
    code_labels,
    code_motion,
    code_numbers,
    code_overflow,
    label_base,
)
from gscodec.codec.entropy.positions import code_positions, position_coder
from gscodec.codec.model.channels import (
    BASE_ORDER,
    GROUP_NAMES,
    GROUPS,
    ROTATION,
    channel_groups,
    channels_of,
    previous_channel,
)
from gscodec.codec.planes import (
    COEF_COEF,
    COEF_LAST,
    COEF_OVERFLOW,
    MOTION_SETS,
    SIDE_BASIS,
    SIDE_COUNT,
    SIDE_LINEAR,
    SIDE_PLACE,
    SIDE_TRANSLATION,
    base_coder,
    base_set,
    coefficient_coder,
    predicted_classes,
    side_coder,
)
from gscodec.codec.segment import BASIS_EXPLICIT, join_segment
from gscodec.codec.series import nearest_earlier
from gscodec.codec.writing import EncodedGop, Quantised

__all__ = ["write_segment"]


class _Pen:
    """Sections written so far, and where their bytes went. Each thread has its own."""

    def __init__(self) -> None:
        self.sections: dict[str, bytes] = {}
        self.bytes_by: dict[str, int] = {}

    def note(self, name: str, coder: Coder, since: int) -> int:
        """Book the bytes written since `since` under `name`; returns the new count."""
        now = coder.written
        self.bytes_by[name] = self.bytes_by.get(name, 0) + now - since
        return now


def write_segment(gop: Quantised) -> EncodedGop:
    """Entropy-code a GOP. Raises BadInput where a value is beyond the format's range."""
    model = gop.planes.model
    shared = model.shared
    pens = [_Pen()]
    if model.slots:
        halves = [_write_own] if gop.planes.inherited < model.slots else []
        pens = in_threads(lambda write: write(gop), halves + ([_write_temporal] if model.temporal else []))
    sections = {name: data for pen in pens for name, data in pen.sections.items()}
    bytes_by = {name: count for pen in pens for name, count in pen.bytes_by.items()}
    sections["model"] = model.write()
    bytes_by["model"] = len(sections["model"])
    if gop.video:
        sections["video"] = gop.video
        bytes_by["video"] = len(gop.video)
    return EncodedGop(join_segment(sections, shared=shared), gop.planes, gop.rows, bytes_by)


def _write_own(gop: Quantised) -> _Pen:
    """What no other segment gives: positions, classes, base planes."""
    pen, planes = _Pen(), gop.planes
    m = planes.model
    coder = position_coder(None, m.slots - planes.inherited)
    bits = np.array(m.bits, np.int64)
    # Decoded positions lie in the same boxes as the exact ones, so they are as good; the coder writes into its copy.
    code_positions(
        *coder.args,
        bits,
        m.cell_shift,
        planes.inherited,
        gop.residuals.keys,
        planes.x.copy(),
        planes.classes[0].copy(),
    )
    pen.sections["position"] = coder.finish()
    pen.bytes_by["position base"] = len(pen.sections["position"])
    _write_base(pen, gop)
    return pen


def _write_base(pen: _Pen, gop: Quantised) -> None:
    planes, r = gop.planes, gop.residuals
    m, nb = planes.model, planes.neighbours
    assert nb is not None
    coder = base_coder(m, None)
    since = 0
    if m.parts and not m.soft:
        state, buf, counters, _ = coder.args
        base = label_base(base_set(m.channels))
        code_labels(
            state, buf, counters, nb.slots, nb.counts, m.parts, base, planes.inherited, planes.labels.copy()
        )
        since = pen.note("part labels", coder, since)
    nothing = np.zeros(m.slots, np.int64)
    for g in BASE_ORDER:
        code_classes(
            *coder.args, *nb[:4], g - 1, planes.inherited, predicted_classes(m, g, planes), m.spacing[g],
            planes.classes[0], r.classes[g].copy(), np.zeros(m.slots, np.int64),
        )  # fmt: skip
        since = pen.note("classes", coder, since)
        for c in channels_of(g, m.sh_degree):
            before = previous_channel(c, g, m.sh_degree)
            code_base_plane(
                *coder.args, *nb[:4], base_set(c), planes.inherited, planes.step_classes(c, g), g != ROTATION,
                r.base[c].copy(), nothing if before is None else r.base[before], planes.base[c].copy(),
            )  # fmt: skip
        coder.check("base")
        since = pen.note(f"{GROUP_NAMES[g]} base", coder, since)
    pen.sections["base"] = coder.finish()


def _write_temporal(gop: Quantised) -> _Pen:
    pen = _Pen()
    _write_side(pen, gop)
    if any(mode for row in gop.planes.model.mode for mode in row):
        _write_coefficients(pen, gop)
    return pen


def _write_side(pen: _Pen, gop: Quantised) -> None:
    planes, explicit = gop.planes, gop.residuals.explicit
    m = planes.model
    coder = side_coder(None, sum(e.size for e in explicit) + planes.part_series.size)
    for g in range(GROUPS):
        if m.basis_kind[g] == BASIS_EXPLICIT:
            code_numbers(*coder.args, SIDE_BASIS, True, explicit[g].reshape(-1))
    since = pen.note("bases", coder, 0)
    if m.soft:
        steps = np.diff(planes.places >> m.place_shift, axis=0, prepend=0).reshape(-1)
        code_numbers(*coder.args, SIDE_PLACE, True, steps)
        since = pen.note("node places", coder, since)
        code_motion(*coder.args, MOTION_SETS, nearest_earlier(planes.places), planes.node_steps.copy())
    for p in range(0 if m.soft else m.parts):
        for e in range(12):
            unit = m.part_unit[1 if e % 4 == 3 else 0]
            values = np.round(planes.part_series[p, e] / unit).astype(np.int64)
            values = values[: np.flatnonzero(values)[-1] + 1] if values.any() else values[:0]
            code_numbers(*coder.args, SIDE_COUNT, False, np.array([values.size]))
            code_numbers(*coder.args, SIDE_TRANSLATION if e % 4 == 3 else SIDE_LINEAR, True, values)
    pen.note("part motion", coder, since)
    pen.sections["side"] = coder.finish()


def _write_coefficients(pen: _Pen, gop: Quantised) -> None:
    planes, r = gop.planes, gop.residuals
    m, nb = planes.model, planes.neighbours
    assert nb is not None
    coder = coefficient_coder(None, sum(c.size for c in r.coefs) + 4 * m.slots * m.channels)
    since = 0
    for c, g in enumerate(channel_groups(m.sh_degree)):
        q, last = r.coefs[c], r.lasts[c]
        before = previous_channel(c, g, m.sh_degree)
        if q.shape[1]:
            code_coefficients(
                *coder.args, *nb[:4], COEF_LAST + g, COEF_COEF + 4 * g, planes.step_classes(c, g),
                np.array(m.beta[c], np.int64), q, np.zeros_like(q), last,
                q[:, :0] if before is None else r.coefs[before],
                np.zeros(m.slots, np.int64) if before is None else r.lasts[before],
            )  # fmt: skip
            coder.check("coefficient")
        since = pen.note(f"{GROUP_NAMES[g]} coefficients", coder, since)
    if r.overflow is not None:
        count = np.array([r.overflow.shape[1]])
        code_numbers(*coder.args, COEF_OVERFLOW, False, count)
        code_overflow(*coder.args, COEF_OVERFLOW + 1, len(m.video_planes()), m.slots, *r.overflow.copy())
        pen.note("overflow", coder, since)
    pen.sections["coefficient"] = coder.finish()
