"""Toy games with known answers, for tests, examples and your own experiments.

`corridor` needs memory, `chain` needs curiosity, `grid` has an optimal return that a search computes. Each module holds
its `PACKAGE`, like a real game's folder.
"""
