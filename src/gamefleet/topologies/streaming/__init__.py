"""Showing a run while it plays."""
