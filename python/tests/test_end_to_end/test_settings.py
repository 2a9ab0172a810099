"""Settings given as arguments of `run()` are honoured, or refused with the reason."""

import pytest


@pytest.fixture(scope="module")
def folder(new_folder):
    return new_folder("settings.R")


@pytest.fixture(scope="module")
def ended(folder):
    settings = ("namespace", "root", "datastore", "metadata", "unknown")
    return {name: folder.rscript("settings.R", SETTING=name) for name in settings}


def test_datastore_metadata_and_namespace_are_honoured(ended, folder):
    run = ended["namespace"].expect(0)

    assert run.facts("start") == {"namespace": "team:blue"}
    assert run.run_id in folder.runs("SettingsFlow")


def test_another_root_is_honoured(ended, folder):
    run = ended["root"].expect(0)

    assert (folder.path / "elsewhere" / ".metaflow" / "SettingsFlow" / run.run_id).is_dir()
    assert run.run_id not in folder.runs("SettingsFlow")


@pytest.mark.parametrize(
    ("name", "said"), [("datastore", "gs"), ("metadata", "spin"), ("unknown", "`max_workers`")]
)
def test_what_there_is_not_is_refused_and_starts_nothing(ended, name, said):
    assert said in ended[name].expect(2).err
    assert not ended[name].started_a_run


def test_nothing_but_the_stores_is_left(ended, folder):
    assert folder.leftovers() == ["elsewhere"]
