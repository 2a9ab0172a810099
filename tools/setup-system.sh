#!/usr/bin/env bash
# Installs the system packages that are missing, by apt; says what to install where it cannot.
#
#   tools/setup-system.sh run    what users need
#   tools/setup-system.sh dev    what the project's tests and checks need, too
source "$(dirname "$0")/lib.sh"

audience=${1:?run or dev}

# The rows of the table for this audience: package, kind and name of the probe.
wanted() {
  awk -v audience="$audience" \
    '/^[^#]/ && ($2 == "run" || audience == "dev") { print $1, $3, $4 }' tools/system-packages.txt
}

# One R for all packages: starting it costs more than looking.
missing_r_packages() {
  local names
  names=$(wanted | awk '$2 == "r" { print $3 }')
  if ! command -v Rscript >/dev/null; then
    printf '%s\n' "$names"
    return
  fi
  # shellcheck disable=SC2086 # one argument a name is meant
  Rscript --vanilla -e \
    'writeLines(Filter(function(name) !nzchar(system.file(package = name)), commandArgs(TRUE)))' \
    $names
}

# Debian packages whose probe does not find what they bring.
missing() {
  local absent_in_r fit_python=yes
  absent_in_r=$(missing_r_packages)
  tools/find-python.sh >/dev/null 2>&1 || fit_python=no
  wanted | while read -r package kind name; do
    case $kind in
      command) command -v "$name" >/dev/null || echo "$package" ;;
      c) gcc -E -include "$name" -x c /dev/null >/dev/null 2>&1 || echo "$package" ;;
      r) ! grep -qxF "$name" <<<"$absent_in_r" || echo "$package" ;;
      python) [[ $fit_python == yes ]] || echo "$package" ;;
    esac
  done
}

say_what_to_install() {
  {
    echo "This machine lacks what these Debian packages bring:"
    printf '  %s\n' "$@"
    echo "Install them as root, then say the same command again:"
    echo "  apt-get update && apt-get install --no-install-recommends $*"
    echo "On other systems: R 4.1 or newer, a C compiler, Python 3.11 or newer with venv and a"
    echo "shared library, and the R packages named r-cran-*, by install.packages()."
  } >&2
  exit 1
}

mapfile -t packages < <(missing)
((${#packages[@]} > 0)) || exit 0

if ! command -v apt-get >/dev/null || ! can_be_root; then
  say_what_to_install "${packages[@]}"
fi

step "apt-get install ${packages[*]}"
as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
  -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "${packages[@]}" >/dev/null

mapfile -t packages < <(missing)
if ((${#packages[@]} > 0)); then
  tools/find-python.sh >/dev/null || true # if it is Python, this says why
  say_what_to_install "${packages[@]}"
fi
