"""The layers of ARCHITECTURE.md: a module imports only from layers below its own; nothing imports cli."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "gscodec"
BELOW = {
    "base": set[str](),
    "splats": {"base"},
    "render": {"base", "splats"},
    "grid": {"base", "splats"},
    "codec": {"base", "splats", "render", "grid"},
    "container": {"base", "splats", "render", "grid", "codec"},
    "stream": {"base", "splats", "render", "grid", "codec", "container"},
    "train": {"base", "splats", "render", "grid", "codec", "container", "stream"},
    "bench": {"base", "splats", "render", "grid", "codec", "container", "stream", "train"},
    "cli": {"base", "splats", "render", "grid", "codec", "container", "stream", "train", "bench"},
    "__main__": {"cli"},
}
# The whole way from sequence to file and back stands above both codec and container.
ABOVE_ITS_FOLDER = {"codec/pipeline.py": BELOW["stream"]}
VIDEO_LIBRARY = (
    "codec/payloads/",
    "render/output.py",
    "train/captures/",
    "bench/peer_",
    "bench/points.py",
    "cli/doctor.py",
)


def modules() -> list[str]:
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def imports(name: str) -> Iterator[str]:
    """Dotted names of all that a module imports, inside functions too."""
    for node in ast.walk(ast.parse((PACKAGE / name).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute here"
            assert node.module is not None
            # `from gscodec import x` may name a layer or a constant
            yield from (
                f"{node.module}.{alias.name}" if node.module == "gscodec" else node.module
                for alias in node.names
            )


@pytest.mark.parametrize("name", modules())
def test_module_imports_only_from_layers_below(name: str) -> None:
    layer = name.split("/")[0].removesuffix(".py")
    if layer == "__init__":
        return
    allowed = ABOVE_ITS_FOLDER.get(name, BELOW[layer]) | {layer, "__version__"}
    ours = {dotted.split(".")[1] for dotted in imports(name) if dotted.startswith("gscodec.")}
    assert ours <= allowed, f"{name} imports {sorted(ours - allowed)} from above"


@pytest.mark.parametrize("name", modules())
def test_video_library_is_imported_only_where_pictures_are_coded(name: str) -> None:
    uses = any(dotted.split(".")[0] == "av" for dotted in imports(name))
    assert not uses or name.startswith(VIDEO_LIBRARY)
