"""From splats to numbers: gauge, parts, temporal bases, steps and back (floats live here)."""
