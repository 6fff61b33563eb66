"""PLY in the INRIA layout (Kerbl et al. 2023): one vertex a Gaussian; log scales, opacity logits, SH channel-major.

Properties may stand in any order and have any scalar type; those not needed are skipped. Text and both byte orders.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from gscodec.base.errors import BadInput, LimitExceeded, Truncated, Unsupported
from gscodec.base.limits import MAX_SLOTS
from gscodec.splats.model import F32, SH_COUNTS, Splats

__all__ = ["PlyHeader", "read_columns", "read_header", "read_ply", "write_ply"]

MAX_HEADER_BYTES = 1 << 16  # INRIA's SH3 header has 1.5 kB; more than 64 KiB is no header
LONGEST_NUMBER = 64  # letters; a double takes 24
MAX_LOGIT = 16.0  # written opacities stay finite: float32 tells 1 - sigmoid(16) from 1
TINY = float(np.finfo(np.float32).tiny)

TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}

MEANS = ("x", "y", "z")
SCALES = ("scale_0", "scale_1", "scale_2")
ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")  # w x y z
COLOR = ("f_dc_0", "f_dc_1", "f_dc_2")
REQUIRED = (*MEANS, *COLOR, "opacity", *SCALES, *ROTATION)

Columns = dict[str, npt.NDArray[np.generic]]  # a property a name, (N,)


@dataclass(frozen=True, slots=True)
class PlyHeader:
    """What a PLY header promises; checked against the file's size before anything is allocated."""

    order: str  # "<", ">" or "" for text
    count: int  # Gaussians
    properties: tuple[tuple[str, str], ...]  # (name, numpy type code without byte order)
    skip: int  # bytes (binary) or values (text) of elements that stand before the vertices
    body: int  # byte offset of the end of the header
    n_rest: int  # f_rest_* properties: 0, 9, 24 or 45

    @property
    def sh_degree(self) -> int:
        return SH_COUNTS.index(self.n_rest // 3 + 1)

    @property
    def dtype(self) -> np.dtype[np.void]:
        return np.dtype([(name, self.order + kind) for name, kind in self.properties])


@dataclass(slots=True)
class _Element:
    name: str
    count: int
    properties: list[tuple[str, str]]
    lists: bool = False


def read_ply(path: str | Path) -> Splats:
    """One frame. Raises BadInput, Truncated, Unsupported or LimitExceeded, naming file and field."""
    file = str(path)
    with _open(path) as stream:
        header = _parse_header(stream, file)
        columns = _read_body(stream, header, file)
    return _activate(columns, header, file)


def read_header(path: str | Path) -> PlyHeader:
    """The header alone, already checked against the size of the file."""
    with _open(path) as stream:
        return _parse_header(stream, str(path))


def read_columns(path: str | Path, required: tuple[str, ...]) -> tuple[PlyHeader, Columns]:
    """The vertices of any PLY, (N,) a property, also of one without Gaussians. Raises as read_ply does."""
    with _open(path) as stream:
        header = _parse_header(stream, str(path), required)
        return header, _read_body(stream, header, str(path))


def write_ply(path: str | Path, splats: Splats) -> None:
    """Write binary little-endian; the file appears by rename, whole or not at all."""
    k = splats.sh.shape[1]
    rest = [f"f_rest_{i}" for i in range(3 * (k - 1))]
    names = [*MEANS, *COLOR, *rest, "opacity", *SCALES, *ROTATION]
    opacities = np.clip(splats.opacities.astype(np.float64), 1e-12, 1 - 1e-12)
    logits = np.clip(np.log(opacities) - np.log1p(-opacities), -MAX_LOGIT, MAX_LOGIT)
    columns = [
        splats.means,
        splats.sh[:, 0],
        splats.sh[:, 1:].transpose(0, 2, 1).reshape(len(splats), len(rest)),
        logits[:, None],
        np.log(np.maximum(splats.scales, TINY)),
        splats.quats,
    ]
    table = np.concatenate(columns, axis=1).astype("<f4")
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}"]
    text = "\n".join([*lines, *(f"property float {name}" for name in names), "end_header", ""])
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as stream:
            stream.write(text.encode("ascii"))
            stream.write(table.tobytes())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _open(path: str | Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror or error}", file=str(path)) from error


def _parse_header(stream: BinaryIO, file: str, required: tuple[str, ...] | None = None) -> PlyHeader:
    """`required` properties; None: those of Gaussians."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    order, elements = _header_elements(stream, file)
    names = [element.name for element in elements]
    if "vertex" not in names:
        raise BadInput("the header has no element vertex", file=file, field="element")
    vertex = elements[names.index("vertex")]
    before = elements[: names.index("vertex")]
    if any(element.lists for element in (*before, vertex)):
        raise Unsupported(
            "list properties at or before the vertices are not read", file=file, field="property list"
        )
    n_rest = 0
    if required is None:
        n_rest = _check_vertex(vertex, names, file)
    else:
        _check_properties(vertex, required, file)
    if order == "":
        skip = sum(element.count * len(element.properties) for element in before)
    else:
        skip = sum(element.count * _row_bytes(element) for element in before)
    header = PlyHeader(order, vertex.count, tuple(vertex.properties), skip, stream.tell(), n_rest)
    values = vertex.count * len(vertex.properties)
    least = 2 * (values + skip) - 1 if order == "" else skip + vertex.count * header.dtype.itemsize
    if size - header.body < least:  # text: a digit and a blank a value
        raise Truncated(
            "ends too early",
            file=file,
            field="vertex",
            vertices=vertex.count,
            needed=least,
            left=size - header.body,
        )
    return header


def _row_bytes(element: _Element) -> int:
    return sum(np.dtype(kind).itemsize for _, kind in element.properties)


def _header_elements(stream: BinaryIO, file: str) -> tuple[str, list[_Element]]:
    if stream.readline(8).strip() != b"ply":
        raise BadInput("not a PLY file: the first line is not 'ply'", file=file, field="magic")
    order: str | None = None
    elements: list[_Element] = []
    while True:
        raw = stream.readline(MAX_HEADER_BYTES)
        if stream.tell() > MAX_HEADER_BYTES:
            raise BadInput("header longer than 64 KiB", file=file, field="header")
        if not raw.endswith(b"\n"):
            raise Truncated("the header has no end_header", file=file, field="header")
        words = raw.decode("ascii", "replace").split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "end_header":
            break
        if words[0] == "format" and len(words) == 3:
            if words[1] not in ORDERS:
                raise Unsupported(
                    f"format {words[1]!r} is none of {', '.join(ORDERS)}", file=file, field="format"
                )
            order = ORDERS[words[1]]
        else:
            _header_line(words, elements, file)
    if order is None:
        raise BadInput("the header has no format line", file=file, field="format")
    return order, elements


def _header_line(words: list[str], elements: list[_Element], file: str) -> None:
    """An element or property line, added to `elements`."""
    if (
        words[0] == "element"
        and len(words) == 3
        and words[2].isascii()
        and words[2].isdigit()
        and len(words[2]) < 16
    ):
        elements.append(_Element(words[1], int(words[2]), []))
    elif words[0] == "property" and len(words) == 5 and words[1] == "list" and elements:
        elements[-1].lists = True
    elif words[0] == "property" and len(words) == 3 and elements:
        if words[1] not in TYPES:
            raise Unsupported(f"property type {words[1]!r}", file=file, field=words[2])
        if any(words[2] == name for name, _ in elements[-1].properties):
            raise BadInput("property given twice", file=file, field=words[2])
        elements[-1].properties.append((words[2], TYPES[words[1]]))
    else:
        raise BadInput(f"header line not understood: {' '.join(words)[:60]!r}", file=file, field="header")


def _check_vertex(vertex: _Element, elements: list[str], file: str) -> int:
    """The number of f_rest properties, once all that is needed is there."""
    names = {name for name, _ in vertex.properties}
    if "chunk" in elements and "packed_position" in names:
        raise Unsupported(
            "compressed PLY is not read yet; read are: .ply (INRIA layout)", file=file, field="chunk"
        )
    _check_properties(vertex, REQUIRED, file)
    if vertex.count == 0:
        raise BadInput("holds no Gaussians", file=file, field="vertex")
    if vertex.count > MAX_SLOTS:
        raise LimitExceeded(f"{vertex.count} Gaussians; the limit is {MAX_SLOTS}", file=file, field="vertex")
    n_rest = sum(name.startswith("f_rest_") for name in names)
    if n_rest not in (0, 9, 24, 45):
        raise BadInput(
            f"{n_rest} f_rest properties; SH of degree 0..3 has 0, 9, 24 or 45", file=file, field="f_rest"
        )
    for i in range(n_rest):
        if f"f_rest_{i}" not in names:
            raise BadInput("missing property", file=file, field=f"f_rest_{i}")
    return n_rest


def _check_properties(vertex: _Element, required: tuple[str, ...], file: str) -> None:
    names = {name for name, _ in vertex.properties}
    missing = [name for name in required if name not in names]
    if missing:
        raise BadInput(f"missing properties: {' '.join(missing)}", file=file, field=missing[0])


def _read_body(stream: BinaryIO, header: PlyHeader, file: str) -> Columns:
    return (_read_binary if header.order else _read_text)(stream, header, file)


def _read_binary(stream: BinaryIO, header: PlyHeader, file: str) -> Columns:
    stream.seek(header.body + header.skip)
    n_bytes = header.count * header.dtype.itemsize
    raw = stream.read(n_bytes)
    if len(raw) < n_bytes:  # shrank since the header was checked
        raise Truncated("ends too early", file=file, field="vertex", needed=n_bytes, left=len(raw))
    table = np.frombuffer(raw, dtype=header.dtype, count=header.count)
    return {name: table[name] for name, _ in header.properties}


def _read_text(stream: BinaryIO, header: PlyHeader, file: str) -> Columns:
    stream.seek(header.body)
    width = len(header.properties)
    words = stream.read().split(maxsplit=header.skip + header.count * width)
    words = words[header.skip : header.skip + header.count * width]
    if any(len(word) > LONGEST_NUMBER for word in words):  # an array of them is as wide as the longest
        raise BadInput(f"a number of more than {LONGEST_NUMBER} letters", file=file, field="vertex")
    if len(words) < header.count * width:
        row, column = divmod(len(words), width)
        raise Truncated("ends too early", file=file, field=header.properties[column][0], row=row)
    try:
        table = np.array(words, dtype=np.bytes_).astype(np.float64).reshape(header.count, width)
    except ValueError as error:
        raise BadInput(f"not a number: {error}", file=file, field="vertex") from error
    return {name: table[:, i] for i, (name, _) in enumerate(header.properties)}


def _columns(columns: Columns, names: tuple[str, ...], file: str) -> F32:
    """The named properties as one (N, len(names)) float32 array, all finite."""
    first = columns[names[0]]
    out = np.empty((len(first), len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):
        for i, name in enumerate(names):
            out[:, i] = columns[name]
    if not np.isfinite(out).all():
        row, column = np.argwhere(~np.isfinite(out))[0]
        raise BadInput("value is not finite", file=file, field=names[column], row=int(row))
    return out


def _activate(columns: Columns, header: PlyHeader, file: str) -> Splats:
    with np.errstate(over="ignore", under="ignore"):
        scales = np.exp(_columns(columns, SCALES, file))
        opacities = 1 / (1 + np.exp(-_columns(columns, ("opacity",), file)[:, 0]))
    if not np.isfinite(scales).all():
        row, column = np.argwhere(~np.isfinite(scales))[0]
        raise BadInput("log scale too large", file=file, field=SCALES[column], row=int(row))
    quats = _columns(columns, ROTATION, file).astype(np.float64)
    norms = np.linalg.norm(quats, axis=1)
    if not norms.all():
        raise BadInput("quaternion is zero", file=file, field="rot_0..3", row=int(np.argmin(norms)))
    sh = _columns(columns, COLOR, file)[:, None]
    if header.n_rest:
        rest = _columns(columns, tuple(f"f_rest_{i}" for i in range(header.n_rest)), file)
        sh = np.concatenate([sh, rest.reshape(len(rest), 3, -1).transpose(0, 2, 1)], axis=1)
    return Splats(
        means=_columns(columns, MEANS, file),
        quats=(quats / norms[:, None]).astype(np.float32),
        scales=np.maximum(scales, np.float32(TINY)),
        opacities=opacities.astype(np.float32),
        sh=np.ascontiguousarray(sh),
    )
