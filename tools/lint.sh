#!/usr/bin/env bash
# Judges what a machine can: style, types and import direction. Runs all judges, then fails if one did.
source "$(dirname "$0")/lib.sh"

failed=()

judge() {
  local name=$1
  shift
  step "$name"
  "$@" || failed+=("$name")
}

in_workshop() { (cd python && PATH=$venv/bin:$PATH "$@"); }

judge "ruff check" in_workshop ruff check --quiet "${python_code[@]}"
judge "ruff format" in_workshop ruff format --check "${python_code[@]}"
judge "mypy" in_workshop mypy
judge "import contract" in_workshop lint-imports --no-cache
judge "shellcheck" shellcheck tools/*.sh .ci/run
judge "lintr" Rscript tools/lint.R

((${#failed[@]} == 0)) || stop "failed: $(IFS=,; echo "${failed[*]}")"
