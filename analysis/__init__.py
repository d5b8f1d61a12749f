"""Measures, tests and shows what an atlas holds."""
