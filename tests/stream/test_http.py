"""The HTTP side: ranges, validators, names, headers. In process, without a socket."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gscodec.base.errors import Misuse
from gscodec.stream.options import ServeOptions
from gscodec.stream.server import make_app
from gscodec.stream.shelf import scan

DATA = bytes(range(256)) * 4


def ask(
    paths: Path | list[Path], target: str, *, web: Path | None = None, method: str = "GET", **headers: str
) -> httpx.Response:
    """One request; `allow_origin` names an origin that the server lets in."""
    options = ServeOptions(web=web or Path("absent"))
    if "allow_origin" in headers:
        options = replace(options, allow_origin=(headers.pop("allow_origin"),))
    app = make_app([paths] if isinstance(paths, Path) else paths, options)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, target, headers=fields)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("field", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1023", 0, 1024),
        ("bytes=1023-", 1023, 1024),
        ("bytes=100-5000", 100, 1024),
        ("bytes=-1", 1023, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes=512-99999999999999999999", 512, 1024),
    ],
)
def test_one_range_is_answered_in_part(video: Path, field: str, start: int, stop: int) -> None:
    answer = ask(video, "/v/wave.gsv", range=field)
    assert answer.status_code == 206
    assert answer.content == DATA[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/1024"
    assert answer.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("field", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_range_outside_the_file_is_416_with_its_size(video: Path, field: str) -> None:
    answer = ask(video, "/v/wave.gsv", range=field)
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1024")


@pytest.mark.parametrize(
    "field", ["bytes=5-4", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes", "bytes=+1-2"]
)
def test_range_that_is_broken_or_manifold_is_ignored(video: Path, field: str) -> None:
    answer = ask(video, "/v/wave.gsv", range=field)
    assert (answer.status_code, answer.content) == (200, DATA)


def test_if_range_of_another_version_gets_the_whole_file(video: Path) -> None:
    etag = ask(video, "/v/wave.gsv").headers["etag"]
    assert ask(video, "/v/wave.gsv", range="bytes=0-9", if_range=etag).status_code == 206
    video.write_bytes(DATA[::-1])
    os.utime(video, ns=(1, 1))
    answer = ask(video, "/v/wave.gsv", range="bytes=0-9", if_range=etag)
    assert (answer.status_code, answer.content) == (200, DATA[::-1])


def test_head_has_the_fields_of_get_without_a_body(video: Path) -> None:
    answer = ask(video, "/v/wave.gsv", method="HEAD")
    assert answer.content == b"" and answer.headers["content-length"] == "1024"
    assert answer.headers["accept-ranges"] == "bytes" and answer.headers["etag"].startswith('"')


def test_known_version_is_304(video: Path) -> None:
    etag = ask(video, "/v/wave.gsv").headers["etag"]
    assert ask(video, "/v/wave.gsv", if_none_match=etag).status_code == 304


def test_growing_file_is_served_but_not_stored(tmp_path: Path) -> None:
    (tmp_path / "new.gsv.part").write_bytes(DATA)
    answer = ask(tmp_path / "new.gsv", "/v/new.gsv", range="bytes=0-9")
    assert (answer.status_code, answer.content) == (206, DATA[:10])
    assert answer.headers["cache-control"] == "no-store" and "etag" not in answer.headers


def spellings() -> list[str]:
    ups = [
        "..",
        "%2e%2e",
        "%252e%252e",
        ".%2e",
        "%2e.",
        "..%00",
        "..;",
        "%c0%ae%c0%ae",
        "．．",
        "....",
        "..\\",
        "..%5c",
    ]
    ends = ["secret.gsv", "etc/passwd", "%73ecret.gsv"]
    found = [f"/{place}/{up}/{end}" for place in ("v", "ws", "watch") for up in ups for end in ends]
    found += [
        "/v/%2e%2e%2fsecret.gsv",
        "/v/..%2Fsecret.gsv",
        "/v//etc/passwd",
        "/v/C:%5csecret.gsv",
        "/v/link.gsv",
    ]
    return [
        *found,
        "/v/wave.gsv%00.txt",
        "/v/wave.gsv/",
        "/v/",
        "/v/" + "a" * 5000,
        "/../secret.gsv",
        "/%00",
    ]


@pytest.mark.parametrize("target", spellings())
def test_no_spelling_leaves_the_list(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret.gsv").write_bytes(b"SECRET")
    served = tmp_path / "served"
    served.mkdir()
    (served / "wave.gsv").write_bytes(DATA)
    (served / "tide.gsv").write_bytes(DATA)
    (served / "link.gsv").symlink_to(tmp_path / "secret.gsv")
    answer = ask(served, target)
    assert answer.status_code == 404, answer.text
    assert b"SECRET" not in answer.content and b"root:" not in answer.content


def test_one_file_is_its_player_page_and_several_are_a_catalogue(video: Path, web: Path) -> None:
    assert "<title>player" in ask(video, "/", web=web).text
    other = video.with_name('a <b> & "c".gsv')
    other.write_bytes(DATA)
    catalogue = ask([video, other], "/", web=web).text
    assert 'href="/watch/wave"' in catalogue and 'href="/watch/a%20%3Cb%3E%20%26%20%22c%22"' in catalogue
    assert "<b> &" not in catalogue.replace("<b>a &lt;b&gt; &amp;", "")
    assert "<title>player" in ask([video, other], "/watch/wave", web=web).text


def test_page_finds_its_script_and_config_beside_itself(video: Path, web: Path) -> None:
    for base in ("/", "/watch/"):
        assert (
            ask(video, f"{base}gs-player.js", web=web).headers["content-type"].startswith("text/javascript")
        )
        files = ask(video, f"{base}config.json", web=web).json()["files"]
        assert files == [{"name": "wave", "title": "wave", "src": "/v/wave.gsv", "ws": "/ws/wave"}]


def test_names_of_any_alphabet_are_served(tmp_path: Path) -> None:
    path = tmp_path / "танец 舞.gsv"
    path.write_bytes(DATA)
    src = ask(path, "/config.json").json()["files"][0]["src"]
    assert ask(path, src).content == DATA


def test_every_answer_carries_protective_headers(video: Path, web: Path) -> None:
    for target in ("/", "/v/wave.gsv", "/nothing", "/healthz", "/metrics"):
        headers = ask(video, target, web=web).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "worker-src 'self' blob:" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


def test_only_a_named_origin_may_read_across_origins(video: Path) -> None:
    friend = "https://friend.example"
    answer = ask(video, "/v/wave.gsv", allow_origin=friend, origin=friend)
    assert answer.headers["access-control-allow-origin"] == friend
    assert "Content-Range" in answer.headers["access-control-expose-headers"]
    foreign = ask(video, "/v/wave.gsv", allow_origin=friend, origin="https://foe.example")
    assert "access-control-allow-origin" not in foreign.headers
    assert ask(video, "/v/wave.gsv", allow_origin=friend, origin=friend, method="OPTIONS").status_code == 204


def test_writing_methods_are_refused(video: Path) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask(video, "/v/wave.gsv", method=method).status_code == 405


def test_health_and_counters(video: Path) -> None:
    assert ask(video, "/healthz").text == "ok\n"
    assert "gscodec_websockets_now 0" in ask(video, "/metrics").text


def test_defaults_stay_on_this_machine() -> None:
    options = ServeOptions()
    assert options.host == "127.0.0.1" and not options.lan and options.allow_origin == ()


def test_scan_names_what_it_cannot_serve(tmp_path: Path) -> None:
    (tmp_path / "a.ply").touch()
    for paths in ([tmp_path], [tmp_path / "a.ply"], [tmp_path / "no.gsv"]):
        with pytest.raises(Misuse):
            scan(paths)


def test_scan_gives_two_files_of_one_name_two_names(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.gsv").touch()
    assert list(scan([tmp_path / "x", tmp_path / "y", tmp_path / "x"])) == ["a", "a-2"]
