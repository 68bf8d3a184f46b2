"""Learning from recorded play: settings, steps, evaluations, speed."""
