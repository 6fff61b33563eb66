from __future__ import annotations

import dataclasses
import json
import pickle
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from gscodec.base.errors import BadInput, MissingDependency, Misuse
from gscodec.bench import plan, rd
from gscodec.bench.curve import Point, rate_at
from gscodec.bench.derived import DERIVED
from gscodec.bench.points import Looks
from gscodec.bench.rd import Job, RdOptions, nearest, quality_for, reproduced, run_rd
from gscodec.bench.rd_tables import sections
from gscodec.bench.results import Curve, Results, Still
from gscodec.codec.settings import DEFAULT_QUALITY, EncodeSettings, target_psnr
from tests.bench.builders import point

LOOKS = Looks(close=39.5, low=40.5, temporal=41.0, border=39.0, inside=39.25)
SMALL = Curve([point(34, 10, 39.5), point(60, 20, 40.5, bytes_by={"video": 25, "model": 75})], LOOKS)


def results(**more: Any) -> Results:
    return Results(curves={("seq-fox", "compact"): SMALL, ("seq-fox", "video"): SMALL}, **more)


def test_peer_counts_as_reproduced_within_a_tenth_of_its_known_bytes() -> None:
    def of(qp: float, kb: float) -> Results:
        return Results(curves={("seq-fox", plan.V3): Curve([point(qp, kb)])})

    assert reproduced(of(16, 93.0))
    assert not reproduced(of(16, 95.0))
    assert reproduced(of(17, 1.0))


def test_rates_stand_beside_what_must_be_reached() -> None:
    text = sections(results(), {})["bench rd"]
    assert "| compact | 14.1 |" in text
    assert "| compact: must reach | 15 |" in text
    assert "| video: must reach | 21 |" in text
    assert plan.V3 not in text


def test_views_are_told_against_the_mean_and_bytes_through_h264_as_a_share() -> None:
    text = sections(results(), {})["bench rd"]
    row = next(line for line in text.splitlines() if line.startswith("| seq-fox, compact | 34"))
    assert "| 39.50 | 35.50 | +0.00 | +1.00 |" in row
    assert "41.00" in row
    assert rd.asdict(SMALL)["looks"]["close"] == 39.5


def test_share_through_h264() -> None:
    curve = Curve([point(38, 10, 40.0, bytes_by={"video": 25, "model": 75})], LOOKS)
    text = sections(Results(curves={("seq-fox", "video"): curve}), {})["bench rd"]
    assert "| 25 % |" in text


def test_static_scene_is_compared_at_exactly_the_peers_psnr() -> None:
    still = Still(1000, [point(1, 4.0, 48.0), point(2, 16.0, 50.0)], {"SOG": point(0, 10.0, 49.0)}, 20000)
    text = sections(Results(stills={"guitar": still}), {})["bench rd static"]
    assert "| guitar, SOG | 1000 | 10.00 | 49.00 | 8.00 | 0.80 | 8.5 bytes a Gaussian |  |  |" in text
    assert "| guitar, SOG as shipped | 1000 | 20.00 |" in text


def test_hidden_ones_dropped_stand_beside_all_kept_at_the_same_psnr_over_all_gaussians() -> None:
    kept, dropped = ([point(1, kb, 48.0), point(2, 4 * kb, 50.0)] for kb in (4.0, 3.0))
    still = Still(1000, kept, {"SOG": point(0, 10.0, 49.0)}, dropped=dropped)
    text = sections(Results(stills={"guitar": still}), {})["bench rd static"]
    assert "| 8.00 | 0.80 | 8.5 bytes a Gaussian | 6.00 | 25.0 % |" in text


def test_static_scene_without_peers_still_has_a_row() -> None:
    text = sections(Results(stills={"angel": Still(1000, [point(60, 4.0)], {})}), {})["bench rd static"]
    assert "| angel, no peer | 1000 |  | 40.00 | 4.00 |" in text


def test_tool_is_worth_the_bytes_that_the_full_codec_saves_at_its_psnr() -> None:
    tools = {("seq-fox", "parts"): point(34, 15.0, 39.5), ("seq-fox", "gauge"): point(34, 10.05, 39.5)}
    text = sections(results(tools=tools), {})["bench rd tools"]
    assert "| parts | +50.0 % |  |" in text
    assert "| gauge | +0.5 % | under 1 % |" in text
    beyond = sections(results(tools={("seq-fox", "parts"): point(34, 15.0, 60.0)}), {})["bench rd tools"]
    assert " % e |" in beyond


def test_seams_are_the_difference_of_border_and_inside() -> None:
    text = sections(results(seams=LOOKS), {})["bench rd loop"]
    assert "| across less inside | -0.25 | -0.5 or more |" in text


def test_bd_rate_says_why_there_is_none() -> None:
    far = Curve([point(1, 50, 50), point(2, 60, 52), point(3, 70, 54)])
    three = Curve([*SMALL.points, point(70, 30, 41.5)], LOOKS)
    curves = {("seq-fox", "compact"): three, ("seq-fox", plan.HEVC): far, ("seq-fox", plan.V3): SMALL}
    text = sections(Results(curves=curves), {})["bench rd"]
    assert "no common range" in text
    assert "too few points" in text


def test_rows_in_no_order_are_compared_at_equal_psnr() -> None:
    curves = {("seq-wave", label): SMALL for label in ("compact", "video")}
    shuffled = {"seq-wave-shuffled": point(60, 20.2, 40.5)}
    assert "| 20.20 | 20.00 | +1.0 % |" in sections(Results(curves, shuffled), {})["bench rd"]


def test_tools_name_settings_that_exist_and_change_them() -> None:
    known = {f.name for f in dataclasses.fields(EncodeSettings)}
    for tool in plan.TOOLS:
        assert set(tool.off) <= known, tool.name
        assert EncodeSettings(**{"payload": "compact", **tool.off}) != EncodeSettings(payload="compact")
        assert set(tool.where) <= {*plan.SEQUENCES, *DERIVED, *plan.STATIC}


@pytest.mark.parametrize("name", ["parts", "tools", "sequences", "scenes"])
def test_unknown_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(Misuse, match="known: "):
        run_rd(RdOptions(**{name: ("nothing",)}))


def test_quality_for_a_psnr_is_the_inverse_of_what_a_quality_asks_for() -> None:
    assert [quality_for(target_psnr(q)) for q in (0, 38, 100)] == pytest.approx([0, 38, 100])


class FakeBench:
    """A codec that gives what is asked for less a third of a dB, and peers of given PSNR."""

    def __init__(self, name: str, peers: dict[str, float]) -> None:
        self.name, self.slots, self.peers = name, 1000, peers
        self.asked: list[float] = []

    def ours(self, settings: EncodeSettings) -> Point:
        self.asked.append(settings.quality)
        psnr = target_psnr(settings.quality) - 0.33
        return point(settings.quality, 10 ** (psnr / 40) * (0.9 if settings.drop_hidden else 1.0), psnr)

    def static(self, kind: str) -> Point:
        if not self.peers:
            raise MissingDependency("no Node")
        return point(0, 20.0, self.peers[kind])


def test_still_is_bracketed_about_each_peer_with_few_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GSCODEC_TEST_DATA", raising=False)
    bench: Any = FakeBench("guitar", {"SPZ": 53.5, "SOG": 49.0})
    still = rd._still(bench, RdOptions())
    for peer in still.peers.values():
        rate = rate_at(still.ours, peer.psnr)
        assert not rate.extrapolated
        assert rate.kb == pytest.approx(10 ** (peer.psnr / 40))
        assert rate_at(still.dropped, peer.psnr).kb == pytest.approx(0.9 * rate.kb)
    assert len(bench.asked) <= 10


def test_still_without_node_is_measured_alone_at_the_default() -> None:
    bench: Any = FakeBench("angel", {})
    still = rd._still(bench, RdOptions())
    assert bench.asked == [DEFAULT_QUALITY] and not still.peers and not still.dropped


def test_shipped_sog_is_not_coded_again() -> None:
    bench: Any = FakeBench("playbot", {"SPZ": 40.3})
    assert list(rd._still(bench, RdOptions()).peers) == ["SPZ"]


def test_curve_brackets_40_db(monkeypatch: pytest.MonkeyPatch) -> None:
    bench: Any = FakeBench("seq-fox", {})
    bench.looks = lambda settings: LOOKS
    curve = rd._our_curve(bench, {"payload": "compact"}, whole=True)
    assert not rate_at(curve.points).extrapolated
    assert set(plan.CURVE_QUALITIES["compact"]) < set(bench.asked)
    assert len(bench.asked) == 5


def test_error_of_a_job_in_another_process_arrives_whole() -> None:
    error = pickle.loads(pickle.dumps(BadInput("no frames", file="x.ply")))  # noqa: S301
    assert "x.ply" in str(error)


def test_nearest_point() -> None:
    assert nearest(SMALL.points, 40.4).setting == 60


class HerePool:
    """A pool that works at once, in this process."""

    def __enter__(self) -> HerePool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future


def fake_job(job: Job, options: RdOptions) -> Any:
    if job.kind in ("tool", "shuffled"):
        return point(job.quality, 15.0, 39.9)
    if job.kind == "seams":
        return LOOKS
    if job.kind == "still":
        return Still(1000, [point(60, 10.0), point(70, 12.0, 42.0)], {"SPZ": point(0, 20.0, 41.0)})
    return SMALL


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RdOptions:
    monkeypatch.setattr(rd, "run_job", fake_job)
    monkeypatch.setattr(rd, "_pool", lambda jobs: HerePool())
    monkeypatch.setattr(rd, "_folder", lambda name, options: tmp_path)
    return RdOptions(cache=tmp_path / "cache", output=tmp_path / "B.md", plots=tmp_path / "plots")


def test_whole_run_writes_every_section_and_links_plots_that_exist(quick: RdOptions) -> None:
    assert run_rd(quick) == 0
    page = (quick.output or Path()).read_text("utf-8")
    for name in ("bench rd", "bench rd static", "bench rd loop", "bench rd tools"):
        assert f"<!-- begin {name} -->" in page
    for name in (*plan.SEQUENCES, *plan.STATIC):
        assert f"(plots/rd-{name}.svg)" in page
        assert (quick.plots / f"rd-{name}.svg").exists()


def test_run_of_one_part_leaves_the_other_sections_alone(quick: RdOptions) -> None:
    run_rd(quick)
    before = (quick.output or Path()).read_text("utf-8")
    run_rd(dataclasses.replace(quick, parts=("tools",), tools=("parts",), sequences=("seq-wave",)))
    after = (quick.output or Path()).read_text("utf-8")
    assert before.split("<!-- begin bench rd tools -->")[0] == after.split("<!-- begin bench rd tools -->")[0]
    assert "| gauge |" in before and "| gauge |" not in after


def test_run_for_tools_alone_draws_no_plots(quick: RdOptions) -> None:
    run_rd(dataclasses.replace(quick, parts=("tools",)))
    assert not quick.plots.exists()
    assert "<!-- begin bench rd -->" not in (quick.output or Path()).read_text("utf-8")


def test_json_has_all_that_was_measured(quick: RdOptions, capsys: pytest.CaptureFixture[str]) -> None:
    run_rd(dataclasses.replace(quick, json=True, output=None))
    document = json.loads(capsys.readouterr().out)
    assert document["curves"]["seq-fox/compact"]["points"][0]["kb"] == 10
    assert document["tools"]["seq-fox-loop/shared bases"]["kb"] == 15
    assert document["seams"]["border"] == 39.0
    assert not quick.plots.exists()
