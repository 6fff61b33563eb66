"""Splats to segments and back (SPEC.md chapter 5), and whole sequences to .gsv files (pipeline)."""
