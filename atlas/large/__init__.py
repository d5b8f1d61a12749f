"""Groups that do not fit in memory: landmarks on disk, passes over blocks, work with others."""
