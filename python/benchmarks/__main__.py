"""Times an empty flow of two steps against an R that does nothing, and prints their ratio.

The ratio says more than the seconds: both halves are measured in turn on the same machine, so that
its speed and its load fall out. `Rscript` is taken from the path, and the package from `R_LIBS`.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
FLOW = Path(__file__).with_name("empty_flow.R")


def main() -> None:
    """Print the seconds of each round, the medians and their ratio."""
    bare, flow = [], []
    print("round  bare R (s)  flow (s)")
    with tempfile.TemporaryDirectory() as directory:
        for number in range(ROUNDS):
            bare.append(seconds(["Rscript", "-e", "0"], directory))
            flow.append(seconds(["Rscript", str(FLOW), "run"], directory))
            print(f"{number + 1:5}  {bare[-1]:10.2f}  {flow[-1]:8.2f}")
    ratio = statistics.median(flow) / statistics.median(bare)
    print(f"median {statistics.median(bare):10.2f}  {statistics.median(flow):8.2f}")
    print(f"an empty flow of two steps takes the time of {ratio:.1f} bare R processes")


def seconds(command: list[str], directory: str) -> float:
    """Wall time of *command*, which must succeed, in seconds; ends the program if it does not."""
    started_s = time.perf_counter()
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - started_s
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return took_s


if __name__ == "__main__":
    main()
