"""`config`: where a setting's value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metaflow_core import config
from metaflow_core.errors import RecordCorrupted, UsageError

NAME = "METAFLOW_DEFAULT_DATASTORE"
NUMBER = "METAFLOW_RUN_HEARTBEAT_INTERVAL_S"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the configuration files, with nothing set elsewhere."""
    for name in (*config.SETTINGS, "METAFLOW_PROFILE", "METAFLOW_OTHER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    return tmp_path


def _write(home: Path, name: str = "config.json", **settings: object) -> None:
    (home / name).write_text(json.dumps(settings), encoding="utf-8")


def test_without_anything_the_default_counts():
    assert config.get(NAME) == "local"


def test_the_file_wins_over_the_default(home):
    _write(home, **{NAME: "s3"})

    assert config.get(NAME) == "s3"


def test_the_environment_wins_over_the_file(home, monkeypatch):
    _write(home, **{NAME: "s3"})
    monkeypatch.setenv(NAME, "spin")

    assert config.get(NAME) == "spin"


def test_a_profile_has_a_file_of_its_own(home, monkeypatch):
    _write(home, **{NAME: "s3"})
    _write(home, "config_work.json", **{NAME: "azure"})
    monkeypatch.setenv("METAFLOW_PROFILE", "work")

    assert config.get(NAME) == "azure"


def test_a_setting_of_stock_metaflow_that_is_not_ours_is_found(home):
    _write(home, METAFLOW_OTHER=7)

    assert config.get("METAFLOW_OTHER") == "7"
    assert config.get("METAFLOW_ABSENT") is None


@pytest.mark.parametrize("content", [b"{not json", b"\xff\xfe\x00"])
def test_a_damaged_file_is_named(home, content):
    (home / "config.json").write_bytes(content)

    with pytest.raises(RecordCorrupted, match=r"The configuration file .*/config\.json is not"):
        config.get(NAME)


def test_a_file_that_holds_no_object_sets_nothing(home):
    (home / "config.json").write_text("[1]")

    assert config.get(NAME) == "local"


@pytest.mark.parametrize(("text", "number"), [("2.5", 2.5), ("", 10.0)])
def test_a_number_is_read(monkeypatch, text, number):
    monkeypatch.setenv(NUMBER, text)

    assert config.number(NUMBER) == number


def test_a_setting_that_is_no_number_is_named(monkeypatch):
    monkeypatch.setenv(NUMBER, "often")

    with pytest.raises(UsageError, match=f"The setting {NUMBER} is not a number: 'often'"):
        config.number(NUMBER)


@pytest.mark.parametrize(
    ("environment", "user"),
    [
        ({"METAFLOW_USER": "ada", "SUDO_USER": "bob", "USER": "eve"}, "ada"),
        ({"SUDO_USER": "bob", "USER": "eve"}, "bob"),
        ({"USERNAME": "win", "USER": "eve"}, "win"),
        ({"USER": "eve"}, "eve"),
        ({"METAFLOW_USER": "root", "USER": "eve"}, "eve"),
        ({"METAFLOW_USER": "", "USER": "eve"}, "eve"),
    ],
)
def test_the_user_is_found_in_stock_metaflows_order(monkeypatch, environment, user):
    for name in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert config.user() == user


@pytest.mark.parametrize(("name", "setting"), config.SETTINGS.items())
def test_every_setting_says_what_it_means(name, setting):
    assert name.startswith("METAFLOW_")
    assert setting.meaning.endswith(".")
