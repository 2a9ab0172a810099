"""What metaflow costs beside R itself. `make bench` runs `python -m benchmarks`."""
