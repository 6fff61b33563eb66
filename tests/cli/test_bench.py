from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gscodec.bench import rd, speed
from gscodec.bench.rd import RdOptions
from gscodec.cli.main import main


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options that the benchmarks were started with."""
    seen: list[Any] = []
    monkeypatch.setattr(rd, "run_rd", lambda options: seen.append(options) or 0)
    monkeypatch.setattr(speed, "run_speed", lambda options: seen.append(options) or 0)
    return seen


def test_bare_command_measures_all_and_writes_the_page(asked: list[Any]) -> None:
    assert main(["bench", "rd"]) == 0
    assert asked == [RdOptions()]


def test_whole_parts_are_written(asked: list[Any]) -> None:
    main(["bench", "rd", "--only", "static", "loop"])
    assert asked[0].parts == ("static", "loop")
    assert asked[0].output == RdOptions().output


@pytest.mark.parametrize(
    "selection", [["--sequences", "seq-fox"], ["--scenes"], ["--tools", "parts"], ["--no-peers"]]
)
def test_selection_is_printed_only_unless_an_output_is_named(asked: list[Any], selection: list[str]) -> None:
    main(["bench", "rd", *selection])
    main(["bench", "rd", *selection, "--output", "x.md"])
    assert [options.output for options in asked] == [None, Path("x.md")]


def test_empty_selection_is_none_of_them(asked: list[Any]) -> None:
    main(["bench", "rd", "--scenes", "--jobs", "1", "--cache", "c"])
    assert (asked[0].scenes, asked[0].jobs, asked[0].cache) == ((), 1, Path("c"))


def test_speed_takes_sequences(asked: list[Any]) -> None:
    main(["bench", "speed", "--sequences", "seq-trio", "--json"])
    assert asked[0].sequences == ("seq-trio",)
    assert asked[0].json


def test_train_takes_parts_captures_and_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from gscodec.bench import train

    seen: list[train.TrainBenchOptions] = []
    monkeypatch.setattr(train, "run_train", lambda options: seen.append(options) or 0)
    assert main(["bench", "train"]) == 0
    assert seen == [train.TrainBenchOptions()]
    main(
        ["bench", "train", "--only", "worth", "--captures", "capture-fox", "--device", "cuda", "--cache", "c"]
    )
    assert (seen[1].parts, seen[1].captures, seen[1].device) == (("worth",), ("capture-fox",), "cuda")
    assert (seen[1].output, seen[1].cache) == (None, Path("c"))
