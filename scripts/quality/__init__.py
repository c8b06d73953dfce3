"""What quantizing costs, measured, for scripts/bench_quality.py. Modules that need packages name them."""
