"""From subjects to a distribution of shape."""
