#!/usr/bin/env bash
# Plays the debugging story in demo/: a flow fails, is resumed, mended, resumed again and read back.
# Each command is shown before it runs, and its exit code is compared with the one it must have.
source "$(dirname "$0")/lib.sh"

mkdir -p demo
cp inst/examples/debugflow.R inst/examples/results.R demo/
# With this file R finds the package and its Python whenever it is started in demo/.
printf '%s=%s\n' >demo/.Renviron \
  R_LIBS "$project/.R-library" \
  RETICULATE_PYTHON "$venv/bin/python"
cd demo

bold() { if [[ -t 1 ]]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi; }
# A command as it can be typed.
typed() {
  local word words=()
  for word; do
    [[ $word =~ ^[[:alnum:]._/=-]+$ ]] && words+=("$word") || words+=("'$word'")
  done
  echo "${words[*]}"
}
say() { printf '\n' && bold "# $*"; }

# must CODE COMMAND: shows and runs the command; anything but exit code CODE ends the demo.
must() {
  local wanted=$1 code=0
  shift
  bold "\$ $(typed "$@")"
  "$@" </dev/null || code=$?
  ((code == wanted)) || stop "exit code $code, where the demo expects $wanted: $*"
}

say "A flow whose step b calls a function that does not exist."
must 1 Rscript debugflow.R run

say "Resuming reuses what succeeded; step b fails as before, for nothing was changed."
must 1 Rscript debugflow.R resume

say "The fix."
must 0 sed -i 's/tofail("cannot find function tofail")/"any message"/' debugflow.R

say "Resumed once more: what succeeded is reused, b runs, and the flow ends well."
must 0 Rscript debugflow.R resume

say "The results, and the old failure, read by a new R session."
must 0 Rscript results.R

cat <<'END'

The flow and its runs are in demo/. To go on by hand:
  cd demo
  Rscript debugflow.R show
  Rscript debugflow.R resume start
  Rscript debugflow.R list-runs
END
