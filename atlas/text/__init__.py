"""Text of pages, JSON and messages."""
