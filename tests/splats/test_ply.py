"""PLY: what is written is read again; any order, type and spelling; errors name file and field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.splats.formats.ply import read_header, read_ply, write_ply
from tests.splats.helpers import NAMES, ROW, random_splats, write_text_ply


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 20), seed=st.integers(0, 2**32 - 1), k=st.sampled_from([1, 4, 9, 16]))
def test_ply_reads_what_it_wrote(tmp_path_factory: pytest.TempPathFactory, n: int, seed: int, k: int) -> None:
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    splats = random_splats(n, seed, k)
    write_ply(path, splats)
    again = read_ply(path)
    assert np.array_equal(again.means, splats.means)
    assert np.array_equal(again.sh, splats.sh)
    np.testing.assert_allclose(again.scales, splats.scales, rtol=1e-5)
    np.testing.assert_allclose(again.opacities, splats.opacities, atol=1e-6)
    np.testing.assert_allclose(again.quats, splats.quats, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations([*NAMES, "nx", "extra"]),
    big=st.booleans(),
    kinds=st.lists(st.sampled_from(["float", "double", "float64"]), min_size=16, max_size=16),
)
def test_ply_takes_any_order_type_and_byte_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], big: bool, kinds: list[str]
) -> None:
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    mark = ">" if big else "<"
    dtype = np.dtype(
        [(n, mark + ("f4" if kind == "float" else "f8")) for n, kind in zip(order, kinds, strict=True)]
    )
    row = np.zeros(2, dtype)
    for name, value in zip(NAMES, ROW, strict=True):
        row[name] = value
    lines = ["ply", f"format binary_{'big' if big else 'little'}_endian 1.0", "element vertex 2"]
    lines += [f"property {kind} {n}" for n, kind in zip(order, kinds, strict=True)]
    path.write_bytes("\n".join([*lines, "end_header", ""]).encode() + row.tobytes())
    _assert_is_row(path, 2)


def _assert_is_row(path: Path, n: int) -> None:
    splats = read_ply(path)
    assert len(splats) == n
    np.testing.assert_allclose(splats.means[0], [1, 2, 3])
    np.testing.assert_allclose(splats.scales[0], np.exp([-1, -2, -3]), rtol=1e-6)
    np.testing.assert_allclose(splats.quats[0], [1, 0, 0, 0])
    np.testing.assert_allclose(splats.sh[0, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    assert splats.opacities[0] == 0.5


def test_ply_reads_text_and_skips_other_elements(tmp_path: Path) -> None:
    path = write_text_ply(tmp_path / "a.ply", NAMES, [ROW])
    _assert_is_row(path, 1)
    text = path.read_text().replace(
        "element vertex", "comment hi\nelement sun 1\nproperty int heat\nelement vertex"
    )
    path.write_text(
        text.replace("end_header\n", "element face 0\nproperty list uchar int v\nend_header\n7\n")
    )
    _assert_is_row(path, 1)


def test_ply_rest_is_channel_major(tmp_path: Path) -> None:
    rest = [f"f_rest_{i}" for i in range(9)]
    splats = read_ply(write_text_ply(tmp_path / "a.ply", NAMES + rest, [ROW + [float(i) for i in range(9)]]))
    assert splats.sh[0, 1:].tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize("field", ["y", "f_dc_1", "opacity", "scale_2", "rot_3"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_ply_names_the_field_and_row_of_a_value_that_is_not_finite(
    tmp_path: Path, field: str, value: float
) -> None:
    bad = [value if name == field else x for name, x in zip(NAMES, ROW, strict=True)]
    with pytest.raises(BadInput) as caught:
        read_ply(write_text_ply(tmp_path / "bad.ply", NAMES, [ROW, bad]))
    assert caught.value.where["field"] == field and caught.value.where["row"] == 1
    assert str(caught.value.where["file"]).endswith("bad.ply")


@pytest.mark.parametrize("field", NAMES)
def test_ply_names_a_missing_property(tmp_path: Path, field: str) -> None:
    names = [name for name in NAMES if name != field]
    with pytest.raises(BadInput, match="missing") as caught:
        read_header(write_text_ply(tmp_path / "a.ply", names, [ROW[:-1]]))
    assert caught.value.where["field"] == field


def test_ply_names_the_row_of_a_zero_quaternion(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="quaternion") as caught:
        read_ply(write_text_ply(tmp_path / "a.ply", NAMES, [ROW, ROW[:10] + [0.0] * 4]))
    assert caught.value.where["row"] == 1


def test_ply_refuses_every_truncation_of_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, random_splats(3))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(BadInput):
            read_header(path)


def test_ply_checks_the_count_against_the_file_before_it_allocates(tmp_path: Path) -> None:
    with pytest.raises(Truncated):
        read_ply(write_text_ply(tmp_path / "a.ply", NAMES, [ROW], count=1_000_000))
    with pytest.raises(LimitExceeded):
        read_ply(write_text_ply(tmp_path / "a.ply", NAMES, [ROW], count=10**12))
    with pytest.raises(BadInput, match="no Gaussians"):
        read_ply(write_text_ply(tmp_path / "a.ply", NAMES, []))


@pytest.mark.parametrize("n_rest", [3, 10, 46])
def test_ply_refuses_an_odd_number_of_harmonics(tmp_path: Path, n_rest: int) -> None:
    names = NAMES + [f"f_rest_{i}" for i in range(n_rest)]
    with pytest.raises(BadInput) as caught:
        read_ply(write_text_ply(tmp_path / "a.ply", names, [ROW + [0.0] * n_rest]))
    assert caught.value.where["field"] == "f_rest"


def test_ply_names_what_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(BadInput, match="not a PLY"):
        read_ply(path)
    path.write_text("ply\nformat binary_middle_endian 1.0\nend_header\n")
    with pytest.raises(Unsupported, match="binary_middle_endian"):
        read_ply(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read_ply(tmp_path / "absent.ply")


def test_ply_leaves_the_old_file_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.ply"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_ply(path, random_splats(3))
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.ply"]
