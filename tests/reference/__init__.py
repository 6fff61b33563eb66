"""The slow twins of fast kernels."""
