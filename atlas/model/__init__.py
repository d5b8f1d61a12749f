"""Statistical shape models of aligned landmarks."""
