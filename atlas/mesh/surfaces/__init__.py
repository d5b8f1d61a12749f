"""Surfaces of an anatomy by name."""
