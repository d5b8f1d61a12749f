"""An atlas to look at: one page that works from disk, without network."""
