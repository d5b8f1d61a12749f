"""The built-in cohort: made from published numbers."""
