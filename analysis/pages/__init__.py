"""Pages of HTML: one base template, one style."""
