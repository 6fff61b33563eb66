"""Rendering on the CPU: cameras, rasteriser, sensitivity, metrics, the measure, pictures and films out."""
