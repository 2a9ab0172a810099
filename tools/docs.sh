#!/usr/bin/env bash
# Writes NAMESPACE and man/ from the roxygen comments, and the vignettes as HTML beside their sources.
source "$(dirname "$0")/lib.sh"

step "roxygen2"
Rscript -e 'roxygen2::roxygenise()'

step "vignettes"
tools/setup-r-package.sh # vignettes run the package as it is now
Rscript -e 'tools::buildVignettes(dir = ".", tangle = FALSE)'
