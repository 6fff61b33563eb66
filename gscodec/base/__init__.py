"""Errors, limits, progress and compiled kernels: what every layer may use; imports nothing of ours."""
