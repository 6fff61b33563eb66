"""Splats: frames as arrays, their files, sequences of them, and which row follows which."""
