"""Run from the checkout: python -m benchmarks.export.formats."""
