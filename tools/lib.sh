# shellcheck shell=bash
# What the scripts of this folder share; each of them sources it first.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD
# shellcheck disable=SC2034 # used by the scripts that source this file
venv=$project/python/${VENV:-.venv}
# Where Python code lies, as seen from python/, which holds its tools' configuration.
# shellcheck disable=SC2034 # used by the scripts that source this file
python_code=(. ../inst ../tests ../tools)

# Says on stderr what is being done, so that a long silence has a name.
step() { printf '==> %s\n' "$*" >&2; }

stop() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# One hash of the names and contents of files, to tell whether anything changed since a stamp.
fingerprint() { sha256sum "$@" | sha256sum | cut -d ' ' -f 1; }

is_stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

can_be_root() { [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}
