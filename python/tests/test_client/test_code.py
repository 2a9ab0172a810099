"""The code package of a task that ran elsewhere."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from metaflow_core.client import Run, Task
from metaflow_core.metadata.provider import MetaDatum

FILES = {"INFO": json.dumps({"script": "flow.R"}), "flow.R": "metaflow('Line')\n"}
OUTSIDE = "../outside-of-the-package.R"


def package():
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in {**FILES, OUTSIDE: "harm"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


@pytest.fixture
def task(flow):
    run = flow.run()
    task = run.done("start")
    sha = flow.store.blobs.save([package()])
    record = json.dumps({"ds_type": "local", "sha": sha, "location": f"data/{sha}"})
    fact = MetaDatum("code-package", record, tags=("attempt_id:0",))
    flow.metadata.register_metadata(task, [fact], "tester")
    return Task(str(task))


def test_it_tells_its_script_and_its_text(task):
    assert task.code.script_name == "flow.R"
    assert task.code.flowspec == FILES["flow.R"]
    assert task.environment_info == {"script": "flow.R"}
    assert repr(Run("/".join(task.path_components[:2])).code) == "<MetaflowCode: flow.R>"


def test_it_can_be_unpacked(task):
    with task.code.extract() as directory:
        found = {path.name: path.read_text() for path in Path(directory).iterdir()}

        outside = Path(directory, OUTSIDE)

    assert found == FILES
    assert not outside.exists()
