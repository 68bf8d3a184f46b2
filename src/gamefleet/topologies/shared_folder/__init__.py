"""The wiring of members that share a folder: weights, experience, and what keeps both in order."""
