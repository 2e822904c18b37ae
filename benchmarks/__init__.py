"""What the project measures itself against: one module per comparison, `python -m benchmarks` runs them all."""
