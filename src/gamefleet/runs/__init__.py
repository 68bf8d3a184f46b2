"""The run folder: paths, checkpoints, deadline, metrics, trackers."""
