"""The stock client reads a step that `spin --persist` kept."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from r_scripts import Folder

HERE = Path(__file__).parent
FLOW = HERE.parent / "test_end_to_end" / "flows" / "halves.R"
STOCK_PYTHON = Path(
    os.environ.get("METAFLOW_STOCK_PYTHON", HERE.parents[1] / ".venv-stock" / "bin" / "python")
)
QUESTIONS = """
import json, metaflow
metaflow.namespace(None)
metaflow.inspect_spin(".")
(run,) = metaflow.Flow("HalvesFlow")
(task,) = run["halve"]
told = [task.id, task.successful, task.data.seen, task.data.unit, task.stderr, str(task.exception)]
print(json.dumps(told))
"""


def test_the_stock_client_reads_a_kept_step(tmp_path):
    folder = Folder.make(tmp_path, [FLOW])
    folder.rscript("halves.R").expect(1)
    folder.rscript("halves.R", "spin", "halve", "--persist").expect(1)

    settings = {"METAFLOW_CLIENT_CACHE_PATH": str(folder.temporary)}
    told = subprocess.run(
        [str(STOCK_PYTHON), "-c", QUESTIONS],
        cwd=folder.path,
        env=folder.environment(**settings),
        capture_output=True,
        text=True,
        check=True,
    )
    task_id, successful, seen, unit, log, exception = json.loads(told.stdout)

    assert (task_id, successful, seen, unit) == ("1", False, "two", "m")
    assert "halves.R:4 in half_of(self$input)" in log
    assert "non-numeric argument" in exception
