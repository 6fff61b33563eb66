"""Self-organising sort: slots arranged on the grid so that neighbours resemble each other.

Coarse to fine. At each radius the arrangement is low-passed (box blur, twice) to a target picture; then
random groups of four cells within a window of that radius take the best of their 24 orders, measured against
the targets of their cells. The idea is that of PLAS and of self-sorting maps; order, schedule and arithmetic
here are our own. One thread, and random numbers from a counter: the result depends on the input and the seed
alone.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import Misuse
from gscodec.base.jit import njit
from gscodec.grid.layout import check_places, grid_layout, to_plane
from gscodec.grid.morton import morton_order

__all__ = ["WARM_RADIUS", "grid_features", "neighbour_cost", "radii", "self_organise"]

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

GROUP = 4
ORDERS = np.array(list(permutations(range(GROUP))), dtype=np.int64)  # row 0 is the identity
DECAY = 0.8  # of the radius from step to step
MIN_RADIUS = 1.1  # windows of 2 x 2 cells against a blur of 3 x 3: there is nothing finer
WARM_RADIUS = 4.0  # a warm start may only move slots about this far: its coarse order is right already
WEIGHTS = (1.0, 0.5, 0.5)  # position, colour, log scale: position costs most bits

_MIX_A = np.uint64(0xBF58476D1CE4E5B9)  # splitmix64
_MIX_B = np.uint64(0x94D049BB133111EB)
_MIX_STEP = np.uint64(0x9E3779B97F4A7C15)


@njit
def _random(state: Any, bound: Any) -> Any:
    """An integer 0..bound-1 by splitmix64; state: (1,) uint64, moved on. Its bias is below 2^-40."""
    state[0] += _MIX_STEP
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    z = z ^ (z >> np.uint64(31))
    return np.int64(z % np.uint64(bound))


@njit
def _box_rows(source: Any, out: Any, radius: Any) -> None:
    """out[y, x] = sum of source[y, x - radius .. x + radius], borders cut. source, out: (H, W, F) float32."""
    height, width, features = source.shape
    total = np.zeros(features, np.float64)
    for y in range(height):
        total[:] = 0.0
        for x in range(min(radius, width)):
            for f in range(features):
                total[f] += source[y, x, f]
        for x in range(width):
            enter, leave = x + radius, x - radius - 1
            for f in range(features):
                if enter < width:
                    total[f] += source[y, enter, f]
                if leave >= 0:
                    total[f] -= source[y, leave, f]
                out[y, x, f] = total[f]


@njit
def _box_columns(source: Any, out: Any, radius: Any) -> None:
    """The same along y."""
    height, width, features = source.shape
    total = np.zeros((width, features), np.float64)
    for y in range(min(radius, height)):
        total += source[y]
    for y in range(height):
        if y + radius < height:
            total += source[y + radius]
        if y - radius - 1 >= 0:
            total -= source[y - radius - 1]
        out[y] = total


@njit
def _arrange(cells: Any, grid: Any, target: Any, slot: Any, orders: Any) -> Any:
    """Give the four cells (raster indices) the best of their 24 orders; True where something moved.

    grid, target: (H * W, F) float32; slot: (H * W,) int64. Squared distances differ between orders only by
    the inner products of values and targets, so their sum is what is compared; the first best order wins.
    """
    features = grid.shape[1]
    gain = np.empty((4, 4), np.float32)
    for i in range(4):
        for j in range(4):
            total = np.float32(0.0)
            for f in range(features):
                total += grid[cells[i], f] * target[cells[j], f]
            gain[i, j] = total
    best = 0
    best_gain = gain[0, 0] + gain[1, 1] + gain[2, 2] + gain[3, 3]
    for o in range(1, orders.shape[0]):
        this = gain[orders[o, 0], 0] + gain[orders[o, 1], 1] + gain[orders[o, 2], 2] + gain[orders[o, 3], 3]
        if this > best_gain:
            best, best_gain = o, this
    if best == 0:
        return False
    old = np.empty((4, features), np.float32)
    old_slot = np.empty(4, np.int64)
    for i in range(4):
        old[i] = grid[cells[i]]
        old_slot[i] = slot[cells[i]]
    for j in range(4):
        grid[cells[j]] = old[orders[best, j]]
        slot[cells[j]] = old_slot[orders[best, j]]
    return True


@njit
def _swap_pass(grid: Any, target: Any, slot: Any, width: Any, window: Any, state: Any, orders: Any) -> Any:
    """One pass of random groups of four within windows of `window` x `window` cells at a random offset.

    grid, target: (H * W, F) float32, slot: (H * W,) int64, -1 on padding. Returns how many groups moved.
    """
    height = slot.shape[0] // width
    oy, ox = _random(state, window), _random(state, window)
    cells = np.empty(window * window, np.int64)
    moved = 0
    for y0 in range(-oy, height, window):
        for x0 in range(-ox, width, window):
            n = 0
            for y in range(max(0, y0), min(height, y0 + window)):
                for x in range(max(0, x0), min(width, x0 + window)):
                    if slot[y * width + x] >= 0:
                        cells[n] = y * width + x
                        n += 1
            for i in range(n - 1, 0, -1):
                j = _random(state, i + 1)
                cells[i], cells[j] = cells[j], cells[i]
            for i in range(0, n - 3, 4):
                if _arrange(cells[i : i + 4], grid, target, slot, orders):
                    moved += 1
    return moved


def _blur(values: F32, mask: F32, radius: int) -> F32:
    """Two box blurs of (H, W, F) over the cells that are no padding; padding gets values too, unused."""
    once, twice = np.empty_like(values), np.empty_like(values)
    for _ in range(2):
        _box_rows(values, once, radius)
        _box_columns(once, twice, radius)
        weight_once, weight = np.empty_like(mask), np.empty_like(mask)
        _box_rows(mask, weight_once, radius)
        _box_columns(weight_once, weight, radius)
        values = np.asarray(twice / np.maximum(weight, np.float32(1.0)) * mask, dtype=np.float32)
    return values


def radii(start: float) -> list[float]:
    """The falling radii (cells) from `start` down to the finest."""
    out = [max(start, MIN_RADIUS)]
    while out[-1] * DECAY >= MIN_RADIUS:
        out.append(out[-1] * DECAY)
    return out


def self_organise(
    features: npt.ArrayLike,
    *,
    seed: int = 0,
    warm: npt.ArrayLike | None = None,
    rounds: int = 12,
    device: str = "cpu",
) -> I64:
    """Place of each slot (int64 (N,), a permutation of 0..N-1) so that neighbours resemble each other.

    features: (N, F) float32, already weighted against each other (`grid_features`); the first three columns
    are positions and give the start, a Morton order. warm: places of another arrangement (the last GOP's) to
    start from instead; then only the fine radii run. rounds: passes at each radius. device: `cpu` or `cuda`,
    with the same result. Raises Misuse on values that are not finite or a warm start that is no permutation,
    MissingDependency without what the device needs.
    """
    data = np.ascontiguousarray(features, dtype=np.float32)
    if data.ndim != 2 or not np.isfinite(data).all():
        raise Misuse("features to sort by must be finite and two-dimensional", shape=data.shape)
    slots = data.shape[0]
    layout = grid_layout(slots)
    if warm is not None:
        places = check_places(warm, slots)
    else:
        places = np.empty(slots, np.int64)
        places[morton_order(data[:, :3])] = np.arange(slots)
    start = max(layout.width, layout.height) / 8 if warm is None else WARM_RADIUS
    grid = to_plane(data - data.mean(axis=0, keepdims=True) if slots else data, places)
    slot = to_plane(np.arange(slots, dtype=np.int64), places, -1).reshape(-1)
    mask = layout.mask().astype(np.float32)[:, :, None]
    steps = [(max(1, round(radius / 2)), max(2, round(2 * radius))) for radius in radii(start)]
    state = np.array([seed & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64)
    if device == "cuda":
        from gscodec.grid.cuda import swap_on_gpu

        swap_on_gpu(grid, slot, mask, steps, rounds, state, ORDERS)
    else:
        flat = grid.reshape(-1, data.shape[1])
        for radius, window in steps:
            for _ in range(rounds):
                target = _blur(grid, mask, radius).reshape(flat.shape)
                _swap_pass(flat, target, slot, layout.width, window, state, ORDERS)
    out = np.empty(slots, np.int64)
    out[slot[layout.cells]] = np.arange(slots)
    return out


def grid_features(
    means: F32, colors: F32, log_scales: F32, *, weights: tuple[float, float, float] = WEIGHTS
) -> F32:
    """Features to sort by, (N, 9) float32: positions, colours (N, 3), log scales (N, 3), groups normalised.

    A group is divided by the root of its mean variance (all three axes alike, so that space keeps its shape)
    and multiplied by its weight.
    """
    columns = []
    for values, weight in zip((means, colors, log_scales), weights, strict=True):
        centred = values - values.mean(axis=0, keepdims=True) if len(values) else values
        spread = float(np.sqrt(np.mean(np.square(centred, dtype=np.float64)))) if len(values) else 0.0
        columns.append(centred * (weight / spread if spread > 0 else 0.0))
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)


def neighbour_cost(features: npt.ArrayLike, places: npt.ArrayLike) -> float:
    """Mean squared difference of features (N, F) between touching cells over that of a random pair.

    1 for a random arrangement, 0 where all neighbours are equal or no cells touch.
    """
    data = np.asarray(features, dtype=np.float64)
    plane = to_plane(data, check_places(places, data.shape[0]))
    mask = grid_layout(data.shape[0]).mask()
    total, pairs = 0.0, 0
    for axis in (0, 1):
        both = np.logical_and(*_shifted(mask, axis))
        near, far = _shifted(plane, axis)
        total += float(np.square(near - far)[both].sum())
        pairs += int(both.sum())
    variance = float(data.var(axis=0).sum()) if data.size else 0.0
    return total / pairs / (2.0 * variance) if pairs and variance > 0 else 0.0


def _shifted(plane: Array, axis: int) -> tuple[Array, Array]:
    """The plane without its last and without its first line along an axis."""
    return (plane[:-1], plane[1:]) if axis == 0 else (plane[:, :-1], plane[:, 1:])
