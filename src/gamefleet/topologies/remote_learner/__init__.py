"""The wiring of a machine that plays and another one that learns, and both ends of what they say."""
