"""What tasks, artifacts and commands cost, each beside a reference that is measured with it.

`make bench` runs all, `make bench B=list` lists them. A benchmark is a function in a module named
for its subject; `benchmark.py` says what it is told and what it answers.
"""
