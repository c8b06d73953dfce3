"""A student of a Llama whose attention does less, in PyTorch, for scripts/distill.py. Needs torch and numpy."""
