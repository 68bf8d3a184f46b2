"""Recorded play as a run's data: found or made, checked, and read by workers."""
