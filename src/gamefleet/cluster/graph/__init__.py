"""The scheduler of a skill graph: pure, events in, next state and commands out."""
