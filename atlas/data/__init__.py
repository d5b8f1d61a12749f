"""From files to subjects."""
