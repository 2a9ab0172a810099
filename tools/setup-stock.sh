#!/usr/bin/env bash
# Makes python/.venv-stock with Netflix's own Metaflow, which tests read and write stores with.
source "$(dirname "$0")/lib.sh"

# The release whose datastore, metadata and client the core is compatible with.
requirement="metaflow==2.19.39"
stock=$project/python/.venv-stock
stamp=$stock/.installed

if is_stamped "$stamp" "$requirement" && "$stock/bin/python" -c '' 2>/dev/null; then exit 0; fi

step "virtualenv python/.venv-stock with $requirement"
"$(tools/find-python.sh)" -m venv --clear "$stock"
"$stock/bin/pip" install -qq --disable-pip-version-check "$requirement"
echo "$requirement" >"$stamp"
