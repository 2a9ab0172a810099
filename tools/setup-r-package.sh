#!/usr/bin/env bash
# Installs this R package into .R-library, unless it is there as it is now.
source "$(dirname "$0")/lib.sh"

library=$project/.R-library
stamp=$library/.metaflow-sources

mapfile -t sources < <(
  find DESCRIPTION NAMESPACE R man inst src -type f -not -path '*/__pycache__/*' 2>/dev/null | sort
)
wanted=$(fingerprint "${sources[@]}")
if is_stamped "$stamp" "$wanted"; then exit 0; fi

step "R CMD INSTALL into .R-library"
mkdir -p "$library"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
R CMD INSTALL --library="$library" . >"$log" 2>&1 || {
  cat "$log" >&2
  stop "the R package could not be installed"
}
echo "$wanted" >"$stamp"
