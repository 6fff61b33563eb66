"""gscodec encode end to end, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def encode(frames: Path, out: Path, *options: str, **environment: str) -> dict[str, object]:
    command = [sys.executable, "-m", "gscodec", "encode", str(frames), "-o", str(out), *options]
    env = {**os.environ, **environment}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return dict(json.loads(done.stdout))


def test_workers_do_not_change_the_bytes(tmp_path: Path) -> None:
    from gscodec.splats.sample import write_sample

    list(write_sample(tmp_path / "frames", frames=4, gaussians=200))
    options = ("--preset", "fast", "--gop", "2", "--json")
    alone = encode(tmp_path / "frames", tmp_path / "one.gsv", *options)
    encode(tmp_path / "frames", tmp_path / "two.gsv", *options, "--workers", "2")
    assert alone["gops"] == 2
    assert (tmp_path / "one.gsv").read_bytes() == (tmp_path / "two.gsv").read_bytes()
    assert sorted(p.suffix for p in tmp_path.iterdir()) == ["", ".gsv", ".gsv"]


def test_sensitivities_are_kept_unless_told_not_to(tmp_path: Path) -> None:
    from gscodec.splats.sample import write_sample

    list(write_sample(tmp_path / "frames", frames=1, gaussians=200))
    kept = tmp_path / "cache"
    for name, options in (("none", ("--no-cache",)), ("first", ()), ("second", ())):
        options = ("--preset", "fast", "--json", *options)
        encode(tmp_path / "frames", tmp_path / f"{name}.gsv", *options, XDG_CACHE_HOME=str(kept))
        assert len(list(kept.rglob("*.npz"))) == (0 if name == "none" else 1)
    assert len({(tmp_path / f"{name}.gsv").read_bytes() for name in ("none", "first", "second")}) == 1
