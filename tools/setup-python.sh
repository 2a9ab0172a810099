#!/usr/bin/env bash
# Makes python/.venv, or python/$VENV, with the core's dependencies, and those of the extras named.
#
#   tools/setup-python.sh          what users need
#   tools/setup-python.sh dev      what the project's tests and checks need, too
#
# The core itself is linked, so that it is always as it is in inst/python; R takes it from the
# installed R package all the same.
source "$(dirname "$0")/lib.sh"

wanted=$(fingerprint python/pyproject.toml)
stamp=$venv/.installed-$(IFS=-; echo "core${*:+-$*}")

if is_stamped "$stamp" "$wanted" && "$venv/bin/python" -c '' 2>/dev/null; then exit 0; fi

if ! "$venv/bin/python" inst/python/fit_python.py 2>/dev/null; then
  python=$(tools/find-python.sh)
  step "virtualenv python/${venv##*/} of $python"
  "$python" -m venv --clear "$venv"
fi

step "pip install into python/${venv##*/}: the core's dependencies${*:+ and extras $*}"
"$venv/bin/python" tools/python_requirements.py "$@" >"$venv/requirements.txt"
"$venv/bin/pip" install -qq --disable-pip-version-check --requirement "$venv/requirements.txt"
packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$project/inst/python" >"$packages/metaflow_core.pth"
echo "$wanted" >"$stamp"
