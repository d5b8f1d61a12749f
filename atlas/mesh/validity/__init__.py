"""What an anatomy must keep, and its repair."""
