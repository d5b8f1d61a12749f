"""Curves and contours: pure functions over points, mm."""
