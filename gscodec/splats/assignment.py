"""Sparse one-to-one assignment: each row its cheapest candidate, conflicts solved exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["assign"]

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def assign(candidates: I64, cost: F64) -> I64:
    """A permutation (N,) that gives each row one of 0..N-1, cheapest in total over the rows' `candidates` (N, k).

    Where the candidates admit no permutation, rows left over share what is left over, in ascending order: the
    caller judges whether that is of use. `cost` (N, k) is not negative.
    """
    n = len(candidates)
    chosen: I64 = candidates[np.arange(n), cost.argmin(axis=1)]
    asked: I64 = np.bincount(chosen, minlength=n)
    if asked.max(initial=0) <= 1:
        return chosen
    rows = _contested(candidates, chosen, asked)
    fixed = np.ones(n, dtype=bool)
    fixed[rows] = False
    free = np.ones(n, dtype=bool)
    free[chosen[fixed]] = False
    chosen[rows] = _solve(candidates[rows], cost[rows], np.flatnonzero(free), n)
    return chosen


def _contested(candidates: I64, chosen: I64, asked: I64) -> I64:
    """Rows whose choice may change: those in conflict, and, thrice, those whose choice such rows could take."""
    open_rows = asked[chosen] > 1
    for _ in range(3):
        wanted = np.zeros(len(chosen), dtype=bool)
        wanted[candidates[open_rows].ravel()] = True
        open_rows |= wanted[chosen]
    return np.flatnonzero(open_rows)


def _solve(candidates: I64, cost: F64, free: I64, n: int) -> I64:
    """Assign the `free` columns to as many rows, by exact bipartite matching with a costly way out for every row."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    m, k = candidates.shape
    place = np.full(n, -1, dtype=np.int64)
    place[free] = np.arange(len(free))
    columns = place[candidates]
    ok = columns >= 0
    row = np.broadcast_to(np.arange(m)[:, None], (m, k))[ok]
    # A private extra column for each row makes a full matching certain; it costs more than any detour.
    way_out = float(cost[ok].sum()) + m if ok.any() else 1.0
    data = np.concatenate([cost[ok] + 1e-9, np.full(m, way_out)])
    graph = coo_matrix(
        (data, (np.concatenate([row, np.arange(m)]), np.concatenate([columns[ok], m + np.arange(m)]))),
        shape=(m, 2 * m),
    )
    _, found = min_weight_full_bipartite_matching(graph.tocsr())
    lost = found >= m
    rest = np.ones(m, dtype=bool)
    rest[found[~lost]] = False
    found[lost] = np.flatnonzero(rest)
    return np.asarray(free[found], dtype=np.int64)
