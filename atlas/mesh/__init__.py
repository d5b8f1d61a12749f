"""From shapes to solids."""
