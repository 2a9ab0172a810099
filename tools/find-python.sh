#!/usr/bin/env bash
# Prints the path of the first Python that R can load; if there is none, says why and fails.
source "$(dirname "$0")/lib.sh"

candidates=(python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11)

reasons=()
for candidate in ${METAFLOW_PYTHON:-} "${candidates[@]}"; do
  command -v "$candidate" >/dev/null || continue
  if reason=$("$candidate" inst/python/fit_python.py 2>&1); then
    # Not `command -v`: that may be a version manager's shim, which means another Python elsewhere.
    "$candidate" -c 'import sys; print(sys.executable)'
    exit 0
  fi
  reasons+=("$reason")
done

printf 'No Python that R can load was found.\n' >&2
((${#reasons[@]} == 0)) || printf '  %s\n' "${reasons[@]}" | sort -u >&2
exit 1
