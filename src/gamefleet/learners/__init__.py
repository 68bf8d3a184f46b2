"""Improve: losses, recurrent Q-learning, curiosity. Knows tensors, nothing about machines or games."""
