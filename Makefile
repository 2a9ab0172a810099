# The verbs of the project. Each installs what it needs first, and is quick where it is there.
# `make test T=retry` runs the tests whose names match.

.PHONY: help setup setup-run fmt lint test demo docs check bench soak

# R finds the package in a project-local library, and the core's Python in a project-local
# virtualenv; tests find the stock Metaflow, which they compare with, in another one.
export R_LIBS := $(CURDIR)/.R-library$(if $(R_LIBS),:$(R_LIBS))
export RETICULATE_PYTHON := $(CURDIR)/python/.venv/bin/python
export METAFLOW_STOCK_PYTHON := $(CURDIR)/python/.venv-stock/bin/python
# One locale everywhere, so that messages and sort order are the same on every machine.
export LC_ALL := C.UTF-8

help:       ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

setup-run:
	@tools/setup-system.sh run
	@tools/setup-python.sh
	@tools/setup-r-package.sh

setup:      ## install what is missing: system packages, virtualenvs, this package
	@tools/setup-system.sh dev
	@tools/setup-python.sh interop dev
	@tools/setup-stock.sh
	@tools/setup-blas.sh
	@tools/setup-r-package.sh

fmt: setup  ## rewrite code to the house format
	@tools/fmt.sh

lint: setup ## what a machine can judge: style, types, import direction
	@tools/lint.sh

test: setup ## all suites; T=name selects
	@tools/test.sh '$(T)'

demo: setup-run ## the debugging story on real output; leaves its flow in demo/ to play with
	@tools/demo.sh

docs: setup ## NAMESPACE, man/ and vignettes
	@tools/docs.sh

check: docs ## R CMD check, as CRAN would
	@tools/check.sh

# Measured with the Python packages that users have: reticulate imports more where there are more.
bench: setup ## what tasks, artifacts and start-up cost; B=name, RUNS=5, FULL=1
	@VENV=.venv-users tools/setup-python.sh
	@cd python && RETICULATE_PYTHON=$(CURDIR)/python/.venv-users/bin/python \
	  .venv/bin/python -m benchmarks $(B)

soak: setup ## kill runs at random points, and see that nothing is lost; N=3000, SEED=1
	@cd python && KILLS=$(or $(N),3000) SEED=$(or $(SEED),1) .venv/bin/pytest -q tests/test_faults/test_kills.py
