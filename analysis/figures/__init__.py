"""Results drawn on axes, a kind of result a module; whole figures in two more."""
