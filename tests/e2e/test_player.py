"""The player in Chromium: what it shows is what Python decodes, and it goes on when things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gscodec.codec.pipeline import decode_file
from gscodec.container import GsvFile
from gscodec.render.metrics import psnr
from gscodec.render.rasterize import rasterize
from gscodec.render.views import orbit
from gscodec.splats.model import Splats

from .pictures import HASHES, SIZE, capture, hashes_of

pytestmark = pytest.mark.browser
FRAMES = (0, 9, 15)
AHEAD = """
const b = player.buffered, t = player.currentTime, ranges = [];
for (let i = 0; i < b.length; i++) ranges.push([b.start(i), b.end(i)]);
const here = ranges.find(([from, to]) => from <= t + 1e-3 && t < to);
return [here ? here[1] - t : 0, ranges];
"""


@pytest.mark.parametrize("payload", ["video", "compact"])
def test_pictures_and_planes_equal_python(
    payload: str, browse: Callable[..., Any], serving: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(f"{payload}_file")
    sequence = decode_file(path)
    browser = browse(serving(path).start(), width=SIZE, height=SIZE).ready()
    frame_orbit = orbit(sequence[0])
    worst = 100.0
    for frame in FRAMES:
        splats: Splats = sequence[frame]
        for azimuth, distance in ((0.3, 2.2), (2.0, 2.2), (4.0, 2.2), (5.0, 1.2)):
            got, camera = capture(browser, frame, frame_orbit, azimuth, distance)
            worst = min(worst, psnr(rasterize(splats, camera), got))
    print(f"{payload}: worst {worst:.1f} dB")
    assert worst >= 45
    assert browser.run(HASHES) == hashes_of(path, gop=1)
    assert browser.errors() == []


@pytest.mark.parametrize("via", ["http", "ws"])
@pytest.mark.parametrize("rung, without", [(0, []), (1, ["VideoDecoder", "MediaSource"])])
def test_of_two_rungs_the_first_that_can_be_decoded_plays(
    rung: int,
    without: list[str],
    via: str,
    browse: Callable[..., Any],
    serving: Callable[..., Any],
    two_rungs: Path,
) -> None:
    browser = browse(f"{serving(two_rungs).start()}?via={via}", without=without).ready()
    end = (
        "player.loop = false; const end = said('ended'); await player.play(); await end; return player.frame"
    )
    assert browser.run(end) == 19
    assert browser.run(HASHES) == hashes_of(two_rungs, gop=1, rung=rung)
    assert browser.errors() == []


@pytest.mark.parametrize("phone", [False, True])
def test_it_plays_to_the_end_and_loops(
    phone: bool, browse: Callable[..., Any], serving: Callable[..., Any], video_file: Path
) -> None:
    browser = browse(serving(video_file).start(), phone=phone).ready()
    assert (
        browser.run(
            "player.loop = false; const end = said('ended'); await player.play(); await end; return player.frame"
        )
        == 19
    )
    assert browser.run(
        """let last = -1, around = false;
        player.addEventListener('framechange', () => { around ||= player.frame < last; last = player.frame; });
        player.loop = true; await player.play(); await until(() => around); return true"""
    )
    assert browser.errors() == []


def test_seeks_outside_the_buffer_show_their_frame(
    browse: Callable[..., Any], serving: Callable[..., Any], long_file: Path, video_file: Path
) -> None:
    browser = browse(serving(long_file).start(), width=SIZE, height=SIZE).ready()
    sequence = decode_file(video_file)
    frame_orbit = orbit(sequence[0])
    assert browser.run("return player.duration") >= 60
    for frame in (1310, 402, 1777, 951, 1640):
        ahead, starts = browser.run(AHEAD)
        assert ahead <= 8 + 10 / 30  # the look-ahead, and the rest of its last GOP
        assert not any(a <= frame / 30 < b for a, b in starts), (frame, starts)  # to where nothing is yet
        got, camera = capture(browser, int(frame), frame_orbit, 0.3, 2.2)
        assert browser.run("return player.frame") == frame
        own = int(frame) % 20
        near = [psnr(rasterize(sequence[i], camera), got) for i in (own, (own + 1) % 20, (own - 1) % 20)]
        assert near[0] > max(near[1:])


def test_a_stopped_server_is_reported_and_playback_resumes(
    browse: Callable[..., Any], serving: Callable[..., Any], long_file: Path
) -> None:
    server = serving(long_file)
    browser = browse(server.start()).ready()
    server.stop()
    browser.run(
        "player.__waited = false; player.addEventListener('waiting', () => { player.__waited = true; });"
    )
    browser.run(
        "player.loop = false; player.frame = 1500; await player.play(); await until(() => player.__waited);"
    )
    server.start()
    assert browser.run("await until(() => player.frame >= 1500, 60000); return player.error === null")


def test_a_damaged_segment_is_a_warning_and_playback_goes_on(
    browse: Callable[..., Any], serving: Callable[..., Any], long_file: Path, tmp_path: Path
) -> None:
    file = GsvFile.open(long_file)
    data = bytearray(long_file.read_bytes())
    data[file.index[60].offset + 40] ^= 255  # far from what is fetched at the start
    (tmp_path / "bad.gsv").write_bytes(data)
    browser = browse(serving(tmp_path / "bad.gsv").start()).ready()
    assert browser.run(
        """player.__warned = 0; player.addEventListener('warning', () => { player.__warned += 1; });
        player.frame = 585; await player.play(); await until(() => player.frame >= 615, 40000);
        return player.__warned > 0 && player.error === null"""
    )


@pytest.mark.parametrize("payload", ["video", "compact"])
def test_it_plays_on_an_insecure_origin(
    payload: str, browse: Callable[..., Any], serving: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    server = serving(request.getfixturevalue(f"{payload}_file"))
    server.start()
    browser = browse(
        f"http://volumetric.test:{server.port}/", args=["--host-resolver-rules=MAP volumetric.test 127.0.0.1"]
    ).ready()
    assert browser.run("return window.isSecureContext") is False
    assert (
        browser.run(
            "player.loop = false; const end = said('ended'); await player.play(); await end; return player.frame"
        )
        == 19
    )


def test_every_control_has_a_name_and_can_be_reached(
    browse: Callable[..., Any], serving: Callable[..., Any], video_file: Path
) -> None:
    browser = browse(serving(video_file).start()).ready()
    names = browser.run(
        """const root = player.shadowRoot ?? player;
        return [...root.querySelectorAll('button, input')].filter((b) => b.checkVisibility())
            .map((b) => b.ariaLabel || b.title || b.textContent.trim() || b.outerHTML)"""
    )
    assert len(names) >= 6 and not any(name.startswith("<") for name in names), names
