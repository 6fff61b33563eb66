"""Promises of the project's own files: locks, licences, links of the documentation."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-train.lock")
ALLOWED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL[- ]2|Mozilla Public|Unlicense|CC0|0BSD|Zlib", re.I
)
# Licences that the metadata of the wheel does not state in words.
KNOWN: dict[str, str] = {}


def locked(lock: str) -> list[str]:
    text = (ROOT / lock).read_text("utf-8")
    return sorted(set(re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.M)))


@pytest.mark.parametrize("lock", [*LOCKS, "player_web/package-lock.json"])
def test_lock_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert '"resolved"' not in text
    assert not re.search(r"index-url|find-links|@ (git|file|http)", text)
    # npm repeats the addresses of funding pages; those are no place to download from
    assert lock.endswith(".json") or "://" not in text


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    for name, rest in re.findall(r"^([A-Za-z0-9_.-]+)==(.*(?:\n    .*)*)", text, re.M):
        assert "--hash=sha256:" in rest, name


def licence(package: str) -> str:
    meta = importlib.metadata.metadata(package)
    stated = [meta.get("License-Expression"), meta.get("License")]
    stated += [c for c in meta.get_all("Classifier") or [] if c.startswith("License ::")]
    return KNOWN.get(package, " ".join(s[:200] for s in stated if s))


@pytest.mark.parametrize("package", locked("requirements.lock"))
def test_runtime_dependency_has_a_permissive_licence(package: str) -> None:
    try:
        stated = licence(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("not installed on this system")
    assert ALLOWED.search(stated), f"{package}: {stated!r}"


def test_npm_dependencies_of_the_bundle_are_credited() -> None:
    lock = json.loads((ROOT / "player_web/package-lock.json").read_text("utf-8"))
    notice = (ROOT / "NOTICE").read_text("utf-8")
    bundled = [p for p, entry in lock["packages"].items() if p and not entry.get("dev")]
    for path in bundled:
        assert path.removeprefix("node_modules/") in notice
        assert lock["packages"][path]["license"] in ("MIT", "ISC", "BSD-3-Clause", "Apache-2.0", "0BSD")
