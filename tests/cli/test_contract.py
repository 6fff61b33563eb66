"""The command line's contract: exit codes, stdout for results alone, nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gscodec import __version__
from gscodec.base.errors import GscodecError, MissingDependency
from gscodec.cli import main as cli
from gscodec.cli.doctor import OPTIONAL
from tests.cli.conftest import Outcome

Run = Callable[..., Outcome]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make `info` raise."""

    def patch(error: BaseException) -> None:
        def fail(*_: object) -> int:
            raise error

        monkeypatch.setattr("gscodec.cli.info.run", fail)

    return patch


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help(gscodec: Run, command: str) -> None:
    done = gscodec(command, "--help")
    assert done.code == 0
    assert f"gscodec {command}" in done.out


def test_version_is_said(gscodec: Run) -> None:
    assert gscodec("--version").out == f"gscodec {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [(), ("frob",), ("info",), ("encode", "x"), ("encode", "x", "-o", "y", "--preset", "slow")]
)
def test_wrong_usage_exits_2(gscodec: Run, arguments: tuple[str, ...]) -> None:
    done = gscodec(*arguments)
    assert done.code == 2
    assert done.out == ""


@pytest.mark.parametrize("command", ["info", "verify"])
def test_missing_file_exits_3_and_is_named(gscodec: Run, command: str) -> None:
    done = gscodec(command, "absent.gsv")
    assert done.code == 3
    assert done.err.startswith(f"gscodec {command}: ")
    assert "absent.gsv" in done.err


def test_missing_part_of_the_environment_exits_4(gscodec: Run, raising: Callable[..., None]) -> None:
    raising(MissingDependency("no such library; install it"))
    assert gscodec("info", "x").code == 4


def test_library_that_is_not_installed_exits_4_and_is_named(
    gscodec: Run, raising: Callable[..., None]
) -> None:
    raising(ModuleNotFoundError("No module named 'av'", name="av"))
    done = gscodec("info", "x")
    assert done.code == 4
    assert "av is not installed" in done.err


def test_interruption_exits_130_without_a_traceback(gscodec: Run, raising: Callable[..., None]) -> None:
    raising(KeyboardInterrupt())
    done = gscodec("info", "x")
    assert done.code == 130
    assert done.err == "gscodec info: interrupted\n"


def test_error_of_the_tree_is_one_line(gscodec: Run, raising: Callable[..., None]) -> None:
    raising(GscodecError("wrong", file="a b.gsv"))
    assert gscodec("info", "x").err == "gscodec info: wrong (file=a b.gsv)\n"


def test_info_json_is_one_document(gscodec: Run, gsv: Path) -> None:
    done = gscodec("info", gsv, "--json")
    document = json.loads(done.out)
    assert done.code == 0
    assert document["gops"] == 2
    assert document["bytes"] == gsv.stat().st_size
    assert document["complete"] is True


def test_info_for_people_names_file_and_rate(gscodec: Run, gsv: Path) -> None:
    done = gscodec("info", gsv)
    assert str(gsv) in done.out
    assert "KB a frame" in done.out


@pytest.mark.parametrize("content", [b"", b"ply\n"])
def test_encode_of_bad_frames_exits_3_and_writes_nothing(
    gscodec: Run, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "frame_0.ply").write_bytes(content)
    done = gscodec("encode", tmp_path, "-o", tmp_path / "out.gsv")
    assert done.code == 3
    assert "frame_0.ply" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["frame_0.ply"]


def test_encode_keeps_an_existing_output(gscodec: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.gsv"
    out.write_text("mine")
    done = gscodec("encode", tmp_path, "-o", out)
    assert done.code == 2
    assert "--force" in done.err
    assert out.read_text() == "mine"


@pytest.mark.parametrize("value", ["1,2", "0,0,0", "a,b,c", "nan,0,1"])
def test_bad_up_is_a_usage_error(gscodec: Run, value: str) -> None:
    done = gscodec("encode", "x", "-o", "y.gsv", f"--up={value}")
    assert done.code == 2
    assert "--up" in done.err


def test_sample_appears_whole_and_is_kept(gscodec: Run, tmp_path: Path) -> None:
    folder = tmp_path / "the sample"
    arguments = ("sample", "-o", folder, "--frames", 2, "--gaussians", 200)
    assert gscodec(*arguments).out == f"{folder}\n"
    assert sorted(p.name for p in folder.iterdir()) == ["frame_0000.ply", "frame_0001.ply", "scene.json"]
    assert gscodec(*arguments).code == 2
    assert gscodec(*arguments, "--force").code == 0


def test_serve_of_nothing_is_refused(gscodec: Run, tmp_path: Path) -> None:
    done = gscodec("serve", tmp_path / "absent.gsv")
    assert done.code in (2, 3)
    assert "absent.gsv" in done.err


def test_doctor_names_a_remedy_for_what_is_missing(gscodec: Run) -> None:
    done = gscodec("doctor", "--json")
    checks = json.loads(done.out)["checks"]
    assert all(check["found"] or check["remedy"] for check in checks)
    lacking = [c for c in checks if not c["found"] and c["name"] not in OPTIONAL]
    assert done.code == (4 if lacking else 0)
