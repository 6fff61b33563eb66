"""Benchmarks: rate-distortion, the peer it is measured against, and speed."""
