"""Sparse one-to-one assignment: each row its cheapest candidate or none, conflicts solved exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["assign"]

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


def assign(candidates: I64, cost: F64, columns: int, limit: float = np.inf) -> I64:
    """(N,) the column that each row gets, no column twice, or -1: cheapest in total over the rows' `candidates` (N, k).

    A row may be left without a column at the cost `limit`; where that is infinite, only if its candidates leave no
    other way. `cost` (N, k) is finite and not negative. Conflicts are solved among the rows they reach in three
    steps; rows further away keep their first choice.
    """
    n = len(candidates)
    if n == 0 or candidates.shape[1] == 0:
        return np.full(n, -1, dtype=np.int64)
    first = cost.argmin(axis=1)
    chosen: I64 = candidates[np.arange(n), first]
    chosen[cost[np.arange(n), first] >= limit] = -1
    rows = _contested(candidates, chosen, columns)
    if len(rows) == 0:
        return chosen
    fixed = np.ones(n, dtype=bool)
    fixed[rows] = False
    free = np.ones(columns, dtype=bool)
    free[chosen[fixed & (chosen >= 0)]] = False
    chosen[rows] = _solve(candidates[rows], cost[rows], np.flatnonzero(free), columns, limit)
    return chosen


def _contested(candidates: I64, chosen: I64, columns: int) -> I64:
    """Rows whose choice may change: those in conflict, and, thrice, those whose choice such rows could take."""
    asked = np.bincount(chosen[chosen >= 0], minlength=columns)
    open_rows = (chosen >= 0) & (asked[chosen] > 1)
    if not open_rows.any():
        return np.zeros(0, dtype=np.int64)
    for _ in range(3):
        wanted = np.zeros(columns, dtype=bool)
        wanted[candidates[open_rows].ravel()] = True
        open_rows |= (chosen >= 0) & wanted[chosen]
    return np.flatnonzero(open_rows)


def _solve(candidates: I64, cost: F64, free: I64, columns: int, limit: float) -> I64:
    """Assign the `free` columns by exact bipartite matching with a way out for every row."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    m, k = candidates.shape
    place = np.full(columns, -1, dtype=np.int64)
    place[free] = np.arange(len(free))
    column = place[candidates]
    ok = (column >= 0) & (cost < limit)
    row = np.broadcast_to(np.arange(m)[:, None], (m, k))[ok]
    # A private extra column for each row makes a full matching certain. Doubled candidates must not add up.
    _, at = np.unique(row * len(free) + column[ok], return_index=True)
    way_out = limit if np.isfinite(limit) else (float(cost[ok].sum()) + m if ok.any() else 1.0)
    data = np.concatenate([cost[ok][at] + 1e-9, np.full(m, way_out)])
    rows = np.concatenate([row[at], np.arange(m)])
    places = np.concatenate([column[ok][at], len(free) + np.arange(m)])
    graph = coo_matrix((data, (rows, places)), shape=(m, len(free) + m))
    _, found = min_weight_full_bipartite_matching(graph.tocsr())
    out = np.full(m, -1, dtype=np.int64)
    took = found < len(free)
    out[took] = free[found[took]]
    return out
