"""What decorators mean: one file each, listed in `REGISTRY`. May import `model` and below.

A new decorator is one file with a `DecoratorType` and one line in `registry.py`.
"""
