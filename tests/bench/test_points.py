from __future__ import annotations

from pathlib import Path

import pytest

from gscodec.base.errors import BadInput, Misuse
from gscodec.bench.curve import Point
from gscodec.bench.data import DATA_ENV, code_digest, folder_digest, sequence_folder
from gscodec.bench.points import PointCache

POINT = Point(52.0, 12.5, 40.1, 36.0, 0.98, 3.0)


def test_point_is_made_once_for_a_key(tmp_path: Path) -> None:
    cache = PointCache(tmp_path / "points")
    made: list[int] = []

    def make() -> Point:
        made.append(1)
        return POINT

    assert cache.get({"quality": 52}, make, Point) == cache.get({"quality": 52}, make, Point) == POINT
    cache.get({"quality": 53}, make, Point)
    assert len(made) == 2


def test_digest_of_a_folder_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    first = folder_digest(tmp_path)
    assert folder_digest(tmp_path) == first
    (tmp_path / "a").write_bytes(b"2")
    second = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, folder_digest(tmp_path)}) == 3


def test_digest_of_code_depends_on_the_modules_named() -> None:
    assert code_digest("bench/peer_hevc.py") != code_digest("bench/peer_v3.py")


def test_digest_of_code_follows_imports_and_leaves_base_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "a.py").write_text("def f():\n    from gscodec.b import x\nfrom gscodec import c\n")
    for name in ("b", "c", "d", "base/errors"):
        (tmp_path / f"{name}.py").write_text("from gscodec.base.errors import BadInput\n")
    monkeypatch.setattr("gscodec.__file__", str(tmp_path / "__init__.py"))
    seen = []
    for changed in (None, "d", "base/errors", "b", "c"):
        if changed:
            (tmp_path / f"{changed}.py").write_text("changed = 1\n")
        code_digest.cache_clear()
        seen.append(code_digest("a.py"))
    code_digest.cache_clear()
    assert seen[0] == seen[1] == seen[2]
    assert len(set(seen[2:])) == 3


def test_unpacked_sequence_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "seq-x").mkdir()
    (tmp_path / "seq-x" / "frame_0000.ply").touch()
    assert sequence_folder("seq-x", tmp_path, tmp_path / "cache") == tmp_path / "seq-x"


def test_missing_data_is_said_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_ENV, raising=False)
    with pytest.raises(Misuse, match="--data"):
        sequence_folder("seq-x", None, tmp_path)
    with pytest.raises(BadInput, match="seq-x"):
        sequence_folder("seq-x", tmp_path, tmp_path)
