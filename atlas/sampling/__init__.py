"""Synthetic anatomies: draw from the model, check, draw again, write."""
