"""The local authority: what it signs, how its key is kept, what the guide page hands out."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from gscodec.base.errors import BadInput
from gscodec.stream.lan import client_context, guide_app, load_authority, qr
from gscodec.stream.listen import BackgroundServer, bind, configure
from gscodec.stream.options import ServeOptions
from gscodec.stream.server import make_app


def test_a_client_that_trusts_the_authority_connects(tmp_path: Path, video: Path) -> None:
    authority = load_authority(tmp_path / "config")
    tls = authority.issue(["127.0.0.1"], tmp_path / "config")
    config = configure(make_app([video], ServeOptions()), tls=tls)
    with BackgroundServer(config, bind("127.0.0.1", 0)) as server:
        link = f"https://127.0.0.1:{server.port}/healthz"
        with urllib.request.urlopen(link, context=client_context(authority), timeout=10) as answer:
            assert answer.read() == b"ok\n"
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(link, timeout=10)


def test_the_authority_stays_the_same_and_its_key_private(tmp_path: Path) -> None:
    first, second = load_authority(tmp_path), load_authority(tmp_path)
    assert first.fingerprint == second.fingerprint
    first.issue(["127.0.0.1"], tmp_path)
    for name in ("authority.key", "server.key"):
        assert os.stat(tmp_path / name).st_mode & 0o077 == 0


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_authority(tmp_path)
    (tmp_path / "authority.key").chmod(0o644)
    with pytest.raises(BadInput, match="read by others"):
        load_authority(tmp_path)


def test_a_broken_authority_is_named(tmp_path: Path) -> None:
    load_authority(tmp_path)
    (tmp_path / "authority.pem").write_text("nonsense")
    with pytest.raises(BadInput, match="cannot be read"):
        load_authority(tmp_path)


def test_the_authority_may_vouch_for_private_places_only(tmp_path: Path) -> None:
    certificate = load_authority(tmp_path).certificate
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical and constraints.value.permitted_subtrees


def test_the_guide_page_leads_on_and_hands_out_the_certificate(tmp_path: Path) -> None:
    authority = load_authority(tmp_path)

    async def ask(target: str) -> httpx.Response:
        transport = httpx.ASGITransport(guide_app(authority, "https://192.168.1.2:8000/"))
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
            return await client.get(target)

    page = asyncio.run(ask("/")).text
    assert 'href="https://192.168.1.2:8000/"' in page and authority.fingerprint in page
    answer = asyncio.run(ask("/gscodec-authority.crt"))
    assert x509.load_der_x509_certificate(answer.content) == authority.certificate


def test_the_code_for_phones_is_drawn_in_text() -> None:
    assert qr("http://192.168.1.2:8001/").count("\n") > 10
