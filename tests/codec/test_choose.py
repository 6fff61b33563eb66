"""`--payload auto`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gscodec.codec import choose
from gscodec.codec.encoder import Tools, encode_tracks
from gscodec.codec.gop import GopJob, GopResult
from gscodec.codec.model.steps import sensitive_steps
from gscodec.codec.pipeline import encode_sequence
from gscodec.codec.segment import join_segment, split_segment
from gscodec.codec.settings import EncodeSettings
from gscodec.container.file import GsvFile
from gscodec.splats.sample import write_sample
from gscodec.splats.sequence import open_sequence

from .builders import make_frames, make_tracks_of


def test_only_context_coded_bytes_cost_the_player_time() -> None:
    tracks = make_tracks_of(make_frames(1200, 8, moving=False, jitter=0.002))
    payload = encode_tracks(tracks, sensitive_steps(tracks, 0.2), tools=Tools(video=True)).payload
    sections, _, _ = split_segment(payload)
    coded = sum(len(sections[name]) for name in ("side", "position", "base", "coefficient"))
    assert len(sections["video"]) > 0
    assert choose.decode_seconds(payload) == pytest.approx(coded * choose.SECONDS_A_BYTE)


@pytest.mark.parametrize(("seconds_a_byte", "payload"), [(1e-9, "compact"), (1.0, "video")])
def test_the_smaller_payload_is_kept_if_a_player_decodes_it_in_time(
    monkeypatch: pytest.MonkeyPatch, seconds_a_byte: float, payload: str
) -> None:
    segments = {
        "compact": join_segment({"coefficient": bytes(900)}),
        "video": join_segment({"coefficient": bytes(100), "video": bytes(900)}),
    }

    def encode(job: GopJob) -> GopResult:
        return GopResult(segments[job.settings.payload], 0.1, 40.0, 39.0, {})

    monkeypatch.setattr(choose, "encode_gop", encode)
    monkeypatch.setattr(choose, "SECONDS_A_BYTE", seconds_a_byte)
    job = GopJob(make_frames(10, 2), EncodeSettings(payload="auto"), [], [], np.arange(10))
    choice = choose.choose_payload(job, fps=30.0)
    assert (choice.payload, choice.result.payload) == (payload, segments[payload])
    assert choice.why.startswith(f"payload {payload}: ")


def test_a_file_names_the_payload_that_was_chosen(tmp_path: Path) -> None:
    list(write_sample(tmp_path / "frames", frames=4, gaussians=200))
    settings = EncodeSettings(preset="fast", payload="auto", gop=2)
    report = encode_sequence(open_sequence([tmp_path / "frames"]), tmp_path / "out.gsv", settings)
    assert report.payload in ("compact", "video")
    assert [rung.payload for rung in GsvFile.open(tmp_path / "out.gsv").header.rungs] == [report.payload]
