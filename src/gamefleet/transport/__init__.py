"""The mover: how experience and weights travel, with what delivery promises."""
