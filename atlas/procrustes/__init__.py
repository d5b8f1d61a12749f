"""Procrustes superimposition of landmark sets."""
