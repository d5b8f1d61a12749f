"""Watertight solids and tetrahedra of an anatomy."""
