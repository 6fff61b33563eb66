"""Integers to bytes and back: range coder, mixed contexts, and what is coded with them (SPEC.md 5.3 to 5.8)."""
