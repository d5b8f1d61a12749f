"""Tables as they go into a paper: rounded, with intervals, in five formats, and which there are."""
