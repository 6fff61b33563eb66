"""Errors and budget: one tree with exit codes, messages that name places, debits before allocations."""

from __future__ import annotations

import pytest

from gscodec.base import errors
from gscodec.base.limits import Budget


@pytest.mark.parametrize(
    ("kind", "code"),
    [("CheckFailed", 1), ("Misuse", 2), ("BadInput", 3), ("Truncated", 3), ("Unsupported", 3), ("LimitExceeded", 3),
     ("MissingDependency", 4)],
)  # fmt: skip
def test_every_error_has_its_exit_code_and_names_its_places(kind: str, code: int) -> None:
    error = getattr(errors, kind)("is wrong", file="a.ply", field="x", row=None)
    assert isinstance(error, errors.GscodecError) and error.exit_code == code
    assert str(error) == "is wrong (file=a.ply, field=x)"


def test_budget_refuses_what_it_does_not_hold_and_keeps_the_rest() -> None:
    budget = Budget(100)
    budget.reserve(60, "a")
    for wrong in (41, -1):
        with pytest.raises(errors.LimitExceeded):
            budget.reserve(wrong, "b")
    budget.reserve(40, "c")
    assert budget.left == 0
