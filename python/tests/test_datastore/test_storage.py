"""What every storage must do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from metaflow_core.datastore.storage import Storage


def test_what_is_saved_is_loaded(storage: Storage) -> None:
    assert storage.save("F/1/x", [b"ab", memoryview(b"cd"), bytearray(b"e")])

    assert storage.load("F/1/x") == b"abcde"
    assert storage.exists("F/1/x")
    assert storage.size_bytes("F/1/x") == 5
    with storage.open("F/1/x") as file:
        assert file.read(2) == b"ab"


@pytest.mark.parametrize("read", ["load", "size_bytes"])
def test_an_absent_key_raises_key_error(storage: Storage, read: str) -> None:
    with pytest.raises(KeyError, match="F/nothing"):
        getattr(storage, read)("F/nothing")


def test_an_absent_key_cannot_be_opened(storage: Storage) -> None:
    with pytest.raises(KeyError, match="F/nothing"), storage.open("F/nothing"):
        pass


def test_a_folder_is_not_a_key(storage: Storage) -> None:
    storage.save("F/1/x", [b""])

    assert not storage.exists("F/1")
    with pytest.raises(KeyError):
        storage.load("F/1")


def test_a_save_replaces_what_was_there(storage: Storage) -> None:
    storage.save("F/x", [b"old"])

    assert storage.save("F/x", [b"new"])
    assert storage.load("F/x") == b"new"


def test_a_save_that_must_not_overwrite_leaves_what_was_there(storage: Storage) -> None:
    assert storage.save("F/x", [b"old"], overwrite=False)

    assert not storage.save("F/x", [b"new"], overwrite=False)
    assert storage.load("F/x") == b"old"


def test_of_many_that_do_not_overwrite_one_wins(storage: Storage) -> None:
    values = [b"%d" % i for i in range(32)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda v: storage.save("F/1/x", [v], overwrite=False), values))

    assert won.count(True) == 1
    assert storage.load("F/1/x") == values[won.index(True)]


def test_a_save_that_breaks_off_leaves_the_old_bytes(storage: Storage) -> None:
    def chunks():
        yield b"half"
        raise RuntimeError("the source broke")

    storage.save("F/x", [b"old"])
    with pytest.raises(RuntimeError, match="source"):
        storage.save("F/x", chunks())

    assert storage.load("F/x") == b"old"
    assert list(storage.list("F")) == [("x", False)]


def test_a_list_has_the_names_directly_below(storage: Storage) -> None:
    for key in ("F/1/a", "F/1/deep/b", "F/2", "G/x"):
        storage.save(key, [b""])

    assert sorted(storage.list("F")) == [("1", True), ("2", False)]
    assert sorted(storage.list("F/1")) == [("a", False), ("deep", True)]
    assert sorted(storage.list("")) == [("F", True), ("G", True)]
    assert list(storage.list("F/absent")) == []


def test_a_deleted_key_is_gone_and_may_be_deleted_again(storage: Storage) -> None:
    storage.save("F/x", [b""])
    storage.delete("F/x")
    storage.delete("F/x")

    assert not storage.exists("F/x")


def test_what_is_appended_stands_at_the_end(storage: Storage) -> None:
    storage.append("F/1/log", b"one\n")
    storage.append("F/1/log", b"two\n")

    assert storage.load("F/1/log") == b"one\ntwo\n"


def test_reading_a_store_that_is_not_there_finds_nothing(storage: Storage) -> None:
    assert list(storage.list("")) == []
    assert not storage.exists("F/x")
    with pytest.raises(KeyError):
        storage.load("F/x")
