"""Where results are written, replaced and recognised."""
