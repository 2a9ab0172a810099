#!/usr/bin/env bash
# Runs all suites, the fast ones first; one that fails does not stop the others.
#
#   tools/test.sh          all
#   tools/test.sh NAME     of Python the tests whose name or file matches, of R the files
source "$(dirname "$0")/lib.sh"

selected=${1:-}
# Tests that start R processes or the stock Metaflow: minutes, where the others take seconds.
heavy=(tests/test_end_to_end tests/test_faults tests/test_interactive tests/test_interop ../tests/parity)

# On Linux tasks are forks unless a test asks for something else. These run once more with a fresh
# process for each task.
in_processes=(reference_story graphs values parameters language output failures resume decorators)

failed=()

suite() {
  local name=$1
  shift
  step "$name"
  "$@" || failed+=("$name")
}

run_pytest() {
  local code=0
  (cd python && PYTHONPATH=$project/tools .venv/bin/pytest -q -rs -p no_skips \
    ${selected:+-k "$selected"} "$@") || code=$?
  # 5: no test was selected, which is right where NAME is meant for another suite.
  ((code == 0)) || { ((code == 5)) && [[ -n $selected ]]; }
}

fast_python() {
  run_pytest tests "${heavy[@]/#/--ignore=}"
}

heavy_python() {
  local present=()
  for folder in "${heavy[@]}"; do
    [[ ! -d python/$folder ]] || present+=("$folder")
  done
  ((${#present[@]} == 0)) || run_pytest "${present[@]}"
}

processes_python() {
  local tests=("${in_processes[@]/#/tests/test_end_to_end/test_}")
  METAFLOW_DEFAULT_ISOLATION=process run_pytest "${tests[@]/%/.py}"
}

suite "Python tests" fast_python
suite "R tests" Rscript tools/test.R ${selected:+"$selected"}
suite "end-to-end and interop tests" heavy_python
suite "end-to-end tests, each task in a fresh process" processes_python

((${#failed[@]} == 0)) || stop "failed: $(IFS=,; echo "${failed[*]}")"
