"""A subject as fixed-length landmarks."""
