#!/usr/bin/env bash
# Rewrites all code to the house format.
source "$(dirname "$0")/lib.sh"

(
  cd python
  .venv/bin/ruff check --fix "${python_code[@]}"
  .venv/bin/ruff format "${python_code[@]}"
)
"$venv/bin/air" format R inst tests tools
