"""What is special about a local directory: modes, leftovers, and a disk that fails."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from metaflow_core import files
from metaflow_core.datastore.local import LocalStorage, local_root
from metaflow_core.errors import StoreUnavailable
from metaflow_core.files import LARGE_BYTES


@contextmanager
def as_a_user() -> Iterator[None]:
    """Root may write everywhere; a test of permissions must not be root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def temporary_files(storage: LocalStorage) -> list[Path]:
    return [path for path in Path(storage.root).rglob(".tmp-*") if path.is_file()]


def leave(storage: LocalStorage, process: str, age_s: float = 0) -> Path:
    """The temporary file of a large file, as a crash leaves it."""
    storage.save("F/large", [bytes(LARGE_BYTES)])
    [folder] = Path(storage.root).glob(".tmp-*")
    path = folder / f".tmp-{process}.0"
    path.write_bytes(b"half")
    os.utime(path, times=(time.time() - age_s,) * 2)
    return path


def test_files_are_private_as_in_stock_metaflow(local: LocalStorage) -> None:
    local.save("F/x", [b""])
    local.append("F/log", b"")

    modes = [stat.S_IMODE(local.local_path(key).stat().st_mode) for key in ("F/x", "F/log")]
    assert modes == [0o600, 0o600]


def test_a_store_is_made_by_its_first_write_and_not_before(local: LocalStorage) -> None:
    list(local.list("F"))
    assert not Path(local.root).exists()

    local.save("F/1/x", [b""])
    assert Path(local.root).is_dir()


def test_the_root_is_the_nearest_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", raising=False)
    (tmp_path / ".metaflow").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert local_root() == tmp_path / ".metaflow"

    (tmp_path / "a" / ".metaflow").mkdir()
    assert local_root() == tmp_path / "a" / ".metaflow"


def test_the_configured_root_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path / "else"))
    assert local_root() == tmp_path / "else" / ".metaflow"


def test_a_leftover_of_a_dead_process_is_swept(local: LocalStorage) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = leave(local, f"{files._place_of_process()}.{dead.pid}")

    assert local.sweep() == 1
    assert not left.exists()


def test_the_file_of_a_living_process_is_not_swept(local: LocalStorage) -> None:
    left = leave(local, f"{files._place_of_process()}.{os.getpid()}", age_s=1e6)

    assert local.sweep() == 0
    assert left.exists()


@pytest.mark.parametrize(("age_s", "swept"), [(10, 0), (7200, 1)])
def test_the_file_of_another_machine_is_swept_by_its_age(
    local: LocalStorage, age_s: float, swept: int
) -> None:
    leave(local, "elsewhere.4026531836.7", age_s)

    assert local.sweep() == swept


@pytest.mark.parametrize(("size", "everywhere"), [(LARGE_BYTES, False), (10, True)])
def test_a_process_that_is_killed_while_it_writes_leaves_the_old_bytes(
    local: LocalStorage, size: int, everywhere: bool
) -> None:
    local.save("F/x", [b"old"])
    code = """
import os, signal, sys
from pathlib import Path
from metaflow_core import files
from metaflow_core.datastore.local import LocalStorage
files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
LocalStorage(Path(sys.argv[1])).save("F/x", [bytes(int(sys.argv[2]))])
"""
    ended = subprocess.run([sys.executable, "-c", code, local.root, str(size)], check=False)

    assert ended.returncode == -signal.SIGKILL
    assert local.load("F/x") == b"old"
    assert list(local.list("F")) == [("x", False)]
    assert len(temporary_files(local)) == 1
    assert local.sweep(everywhere=everywhere) == 1
    assert temporary_files(local) == []


_DIES = """
import os, signal, sys
from pathlib import Path
from metaflow_core import files
from metaflow_core.datastore.local import LocalStorage
storage, key = LocalStorage(Path(sys.argv[1])), sys.argv[2]
with storage.writing("F", "F/data"):
    storage.save("F/153/begun", [b"1"])
    files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    storage.save(key, [b"small"])
"""


@pytest.mark.parametrize("key", ["F/latest_run", "F/153/start/1/0.data.json", "F/data/ab/abcd"])
def test_small_files_are_swept_where_a_process_died_while_it_was_writing(
    local: LocalStorage, key: str
) -> None:
    subprocess.run([sys.executable, "-c", _DIES, local.root, key], check=False)
    assert len(temporary_files(local)) == 1

    assert local.sweep() == 1
    assert [path for path in Path(local.root).rglob(".*") if path.is_file()] == []


def test_where_nobody_died_only_what_is_large_is_looked_for(local: LocalStorage) -> None:
    with local.writing("F"):
        left = Path(local.root, "F", ".tmp-elsewhere.1.7.0")
        left.parent.mkdir()
        left.touch()
        os.utime(left, times=(0, 0))

        assert local.sweep() == 0
    assert local.sweep() == 0
    assert local.sweep(everywhere=True) == 1


def test_folders_of_dead_processes_go_when_a_new_one_is_made(tmp_path: Path) -> None:
    code = """
import sys
from metaflow_core import files
print(files.make_temporary_folder(sys.argv[1]))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    left = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    (left / "file").touch()
    own, of_others = files.make_temporary_folder(tmp_path), tmp_path / "metaflow-of-the-user"
    of_others.mkdir()

    assert own.parent == left.parent == tmp_path
    files.make_temporary_folder(tmp_path)
    assert not left.exists()
    assert own.is_dir()
    assert of_others.is_dir()


def test_a_file_that_cannot_be_written_whole_is_not_there(local: LocalStorage) -> None:
    # A limit on the size of files fails a write half way, as a full disk does.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    local.save("F/x", [b"old"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match=r"Cannot write .*F/x: file too large\."):
            local.save("F/x", [bytes(60_000), bytes(60_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert local.load("F/x") == b"old"
    assert temporary_files(local) == []


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space left on device. Free some space there and resume the run."),
        (errno.EROFS, "read-only file system. Choose another place"),
        (errno.EACCES, "permission denied. Ask its owner"),
        (errno.EIO, "input/output error."),
    ],
)
def test_a_failing_disk_is_told_with_path_and_reason(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def replace(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(StoreUnavailable) as raised:
        local.save("F/x", [b""])

    assert str(raised.value).startswith(f"Cannot write {local.root}/F/x: {sentence}")
    assert temporary_files(local) == []


def test_a_directory_of_someone_else_is_told_of(tmp_path: Path) -> None:
    root = tmp_path / ".metaflow"
    root.mkdir()
    root.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)

    with (
        as_a_user(),
        pytest.raises(StoreUnavailable, match=rf"Cannot write {root}/F/x: permission denied\."),
    ):
        LocalStorage(root).save("F/x", [b""])


def test_a_disk_that_went_away_is_not_made_anew(local: LocalStorage) -> None:
    local.save("F/x", [b""])
    shutil.rmtree(local.root)

    with pytest.raises(StoreUnavailable, match="is gone"):
        local.save("F/y", [b""])
    with pytest.raises(StoreUnavailable, match="is gone"):
        local.load("F/x")
    assert not Path(local.root).exists()


def test_a_folder_that_links_to_another_disk_can_be_written(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.replace

    def replace(source: str, target: str) -> None:
        if os.path.dirname(source) != os.path.dirname(target):
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target)

    local.save("F/x", [b"old"])
    monkeypatch.setattr(files.os, "replace", replace)
    new = bytes(LARGE_BYTES)
    local.save("F/x", [new])

    assert local.load("F/x") == new
    assert list(local.list("F")) == [("x", False)]
    assert temporary_files(local) == []


def test_one_of_many_wins_where_there_are_no_hard_links(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(files.os, "link", link)

    assert local.save("F/x", [b"first"], overwrite=False)
    assert not local.save("F/x", [b"second"], overwrite=False)
    assert local.load("F/x") == b"first"
