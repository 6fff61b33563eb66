"""The wheel holds the built player, and serves it where no Node and no checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAYER = ROOT / "gscodec" / "web" / "gs-player.js"

SERVE = """
import sys
from pathlib import Path
import gscodec
from gscodec.stream.options import ServeOptions
from gscodec.stream.server import make_app
from starlette.testclient import TestClient

assert Path(gscodec.__file__).is_relative_to(sys.argv[1]), gscodec.__file__
client = TestClient(make_app([sys.argv[2]], ServeOptions()), base_url="http://127.0.0.1:8000")
page = client.get("/")
assert page.status_code == 200 and "gs-player" in page.text, page
assert client.get("/gs-player.js").status_code == 200
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not PLAYER.is_file():
        pytest.skip("the player is not built (make player)")
    pytest.importorskip("hatchling")
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_player_kernels_licence_and_notice(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"gscodec/web/gs-player.js", "gscodec/cuda/sort.cu"} <= set(names)
    assert {Path(n).name for n in names if ".dist-info/licenses/" in n} == {"LICENSE", "NOTICE"}
    assert not any(n.startswith(("tests/", "player_web/")) for n in names)


def test_installed_wheel_serves_its_player_without_node(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    from gscodec.container.header import Header
    from gscodec.container.writer import GsvWriter

    writer = GsvWriter(tmp_path / "one.gsv", Header())
    payload = (ROOT / "spec/vectors/segment/ok/still.seg").read_bytes()
    writer.add_segment(payload, first_frame=0, n_frames=1)
    writer.finish()
    environment = {"PYTHONPATH": str(site), "PATH": os.defpath + os.pathsep + str(tmp_path)}
    command = [sys.executable, "-c", SERVE, str(site), str(tmp_path / "one.gsv")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
