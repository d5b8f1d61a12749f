"""A group as blocks of subjects, and what its matrices hold."""
