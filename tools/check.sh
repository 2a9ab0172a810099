#!/usr/bin/env bash
# Builds the R package and checks it as CRAN would; fails on an error or a warning.
source "$(dirname "$0")/lib.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

step "R CMD build"
(cd "$scratch" && R CMD build --no-manual "$project")
tarball=$(echo "$scratch"/metaflow_*.tar.gz)

step "R CMD check"
# Nothing asks a server: whether the package is right does not hang on the network. R still wants
# repositories to look for packages in, and gets an empty one.
repository=$scratch/repository
mkdir -p "$repository/src/contrib"
touch "$repository/src/contrib/PACKAGES"
{
  printf 'menu_name\tURL\tdefault\tsource\twin.binary\tmac.binary\n'
  for name in CRAN BioCsoft BioCann BioCexp; do
    printf '%s\t%s\tfile://%s\tTRUE\tTRUE\tFALSE\tFALSE\n' "$name" "$name" "$repository"
  done
} >"$scratch/repositories"
# A suggested package may be absent, as it may at a user's.
(
  cd "$scratch"
  env \
    _R_CHECK_FORCE_SUGGESTS_=false \
    _R_CHECK_CRAN_INCOMING_=false \
    _R_CHECK_CRAN_INCOMING_REMOTE_=false \
    _R_CHECK_SYSTEM_CLOCK_=false \
    R_REPOSITORIES="$scratch/repositories" \
    R CMD check --as-cran --no-manual "$tarball"
) || stop "R CMD check found an error"

! grep -E '^Status:.*WARNING' "$scratch"/metaflow.Rcheck/00check.log ||
  stop "R CMD check found a warning"
