from __future__ import annotations

from pathlib import Path

from gscodec.bench.tables import machine, markdown_table, provenance, write_section


def test_table_has_a_line_for_head_rule_and_each_row() -> None:
    assert markdown_table(["", "a"], [["x", "1"], ["y", "2"]]).splitlines() == [
        "|  | a |",
        "|:--|--:|",
        "| x | 1 |",
        "| y | 2 |",
    ]


def test_section_is_replaced_between_its_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "BENCHMARKS.md"
    path.write_text("# Top\n\n<!-- begin a -->\nold\n<!-- end a -->\n\ntail\n", encoding="utf-8")
    write_section(path, "a", "new")
    assert path.read_text(encoding="utf-8") == "# Top\n\n<!-- begin a -->\nnew\n<!-- end a -->\n\ntail\n"


def test_section_without_markers_is_appended_once(tmp_path: Path) -> None:
    path = tmp_path / "BENCHMARKS.md"
    for text in ("first", "second"):
        write_section(path, "a", text)
    assert path.read_text(encoding="utf-8") == "# Benchmarks\n\n<!-- begin a -->\nsecond\n<!-- end a -->\n"


def test_provenance_names_command_and_machine_on_one_line() -> None:
    line = provenance("gscodec bench rd")
    assert "`gscodec bench rd`" in line
    assert machine() in line
    assert "\n" not in line
