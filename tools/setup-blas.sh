#!/usr/bin/env bash
# Puts Debian's two builds of OpenBLAS into .blas, for tests that run R with them: openblas-pthread
# and openblas-openmp. The system's own BLAS stays as it is.
source "$(dirname "$0")/lib.sh"

packages=(libopenblas0-pthread libopenblas0-openmp)
builds=$project/.blas

if [[ -e $builds/openblas-pthread/libblas.so.3 && -e $builds/openblas-openmp/libblas.so.3 ]]; then
  exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  cat >&2 <<END
The tests of threaded BLAS will fail: they need what these Debian packages bring, and there is no
apt-get: ${packages[*]}.
Put libblas.so.3, liblapack.so.3 and libopenblas.so.0 of OpenBLAS with pthreads into
.blas/openblas-pthread, and of OpenBLAS with OpenMP into .blas/openblas-openmp.
END
  exit 0
fi

download() { apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}"; }

step "OpenBLAS into .blas: ${packages[*]}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
# Without lists of packages, or with old ones, there is nothing to download yet.
download 2>/dev/null || { can_be_root && as_root apt-get update -qq && download; } ||
  stop "${packages[*]} could not be downloaded: try apt-get update as root, then this again"
for archive in *.deb; do dpkg-deb -x "$archive" .; done
mkdir -p "$builds"
cp -a usr/lib/*/openblas-* "$builds"
