import errno
import os
import stat
import subprocess
import sys

import pytest

from fewshot.errors import InputError
from fewshot.outputs import check_writable, write_texts, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_written_whole(tmp_path):
    target = tmp_path / "events.csv"
    with write_whole(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".") and temporary.suffix == ".csv"
        temporary.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    assert names(tmp_path) == ["events.csv"]


def test_mode_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with write_whole(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_after_an_exception(tmp_path, exception):
    target = tmp_path / "model.kws"
    target.write_text("old")
    with pytest.raises(exception), write_whole(target, force=True) as temporary:
        temporary.write_text("half")
        raise exception
    assert target.read_text() == "old"
    assert names(tmp_path) == ["model.kws"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_refusal_of_the_disk_names_the_output(tmp_path, code):
    target = tmp_path / "model.kws"
    with pytest.raises(InputError, match=r"model\.kws: not written: "), write_whole(target):
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_trouble_with_another_file_is_not_blamed_on_the_output(tmp_path):
    with pytest.raises(OSError, match=r"other\.wav"), write_whole(tmp_path / "model.kws"):
        raise OSError(errno.EACCES, "Permission denied", "other.wav")


def test_a_disk_that_is_really_full(tmp_path):
    """A limit on the size of files makes the system refuse in the middle of a write."""
    pytest.importorskip("resource")
    code = (
        "import resource, sys\n"
        "from fewshot.outputs import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with write_whole(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(bytes(5000))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.kws")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "InputError: " in ended.stderr and "model.kws: not written: " in ended.stderr
    assert names(tmp_path) == []


def test_existing_file_needs_force(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("old")
    for refuse in (check_writable, lambda path: write_whole(path).__enter__()):
        with pytest.raises(InputError, match=r"a\.csv: exists; use --force"):
            refuse(target)
    check_writable(target, True)
    with write_whole(target, force=True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "a.csv"
    with pytest.raises(InputError, match="exists"), write_whole(target) as temporary:
        temporary.write_text("ours")
        target.write_text("theirs")
    assert target.read_text() == "theirs"
    assert names(tmp_path) == ["a.csv"]


def test_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.csv", tmp_path / "link.csv"
    link.symlink_to(real)
    with write_whole(link) as temporary:
        temporary.write_text("x")
    assert link.is_symlink() and real.read_text() == "x"


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with write_whole("a.csv") as temporary:
        temporary.write_text("x")
    assert names(tmp_path) == ["a.csv"]


def test_long_name(tmp_path):
    name = "x" * 250 + ".csv"
    with write_whole(tmp_path / name) as temporary:
        temporary.write_text("x")
    assert names(tmp_path) == [name]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere/a.csv", "no such folder"),
        ("file/a.csv", "no such folder"),
        ("folder", "is a folder"),
        ("fifo", "not a regular file"),
        ("x" * 300, "File name too long"),
        ("a\0b", "not a usable file name"),
    ],
)
def test_unusable_targets(tmp_path, where, message):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    target = os.path.join(tmp_path, where)
    for refuse in (check_writable, lambda path, force: write_whole(path, force=force).__enter__()):
        with pytest.raises(InputError, match=message) as caught:
            refuse(target, True)
        assert "\n" not in str(caught.value)


def test_folder_without_write_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(InputError, match="is not writable"):
        check_writable(tmp_path / "a.csv")


def test_a_folder_that_goes_meanwhile_is_named(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        pytest.raises(InputError, match=r"a.csv: not written: No such file"),
        write_whole(folder / "a.csv") as temporary,
    ):
        temporary.unlink()
        folder.rmdir()
        temporary.write_text("all")


def test_several_texts_are_all_written(tmp_path):
    folder = tmp_path / "new"
    assert write_texts(folder, {"a.csv": "1\n", "b.csv": "2\n"}) == [
        folder / "a.csv",
        folder / "b.csv",
    ]
    assert (folder / "b.csv").read_text() == "2\n"
    with pytest.raises(InputError, match=r"a\.csv: exists; use --force"):
        write_texts(folder, {"c.csv": "3\n", "a.csv": "4\n"})
    assert names(folder) == ["a.csv", "b.csv"]
    write_texts(folder, {"c.csv": "3\n", "a.csv": "4\n"}, force=True)
    assert (folder / "a.csv").read_text() == "4\n"
    assert names(folder) == ["a.csv", "b.csv", "c.csv"]


def test_several_texts_or_none(tmp_path):
    with pytest.raises(InputError, match="not a usable file name"):
        write_texts(tmp_path / "new", {"a.csv": "1\n", "b\0.csv": "2\n"})
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        write_texts(tmp_path / "file", {"a.csv": "1\n"})
