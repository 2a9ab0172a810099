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
cat >"$scratch/profile.R" <<END
empty <- "file://$repository"
options(repos = c(CRAN = empty, BioCsoft = empty, BioCann = empty, BioCexp = empty))
END
# A suggested package may be absent, as it may at a user's.
(
  cd "$scratch"
  env \
    _R_CHECK_FORCE_SUGGESTS_=false \
    _R_CHECK_CRAN_INCOMING_=false \
    _R_CHECK_CRAN_INCOMING_REMOTE_=false \
    _R_CHECK_SYSTEM_CLOCK_=false \
    R_PROFILE_USER="$scratch/profile.R" \
    R CMD check --as-cran --no-manual "$tarball"
) || stop "R CMD check found an error"

! grep -E '^Status:.*WARNING' "$scratch"/metaflow.Rcheck/00check.log ||
  stop "R CMD check found a warning"
