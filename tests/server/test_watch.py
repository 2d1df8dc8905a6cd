"""Every way in which a file becomes another one is seen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_trace_exporter.server.file_watch import FileWatch


def rewrite(path: Path) -> None:
    path.write_text("other content")


def replace_by_one_of_the_same_age(path: Path) -> None:
    status = path.stat()
    other = path.with_suffix(".new")
    other.write_text("CONTENT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [rewrite, replace_by_one_of_the_same_age, remove])
def test_a_change_is_seen_once(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "secret"
    path.write_text("content")
    watch = FileWatch([path])
    assert not watch.has_changed()
    change(path)
    assert watch.has_changed()
    watch = FileWatch(watch.paths)
    assert not watch.has_changed()


def test_a_mounted_secret_changes_where_its_links_point(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "secret").write_text("content")
    (tmp_path / "data").symlink_to("1")
    (tmp_path / "secret").symlink_to("data/secret")
    watch = FileWatch([tmp_path / "secret"])
    (tmp_path / "next").symlink_to("2")
    (tmp_path / "next").rename(tmp_path / "data")
    assert watch.has_changed()


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    watch = FileWatch([tmp_path / "secret"])
    assert not watch.has_changed()
    (tmp_path / "secret").touch()
    assert watch.has_changed()
