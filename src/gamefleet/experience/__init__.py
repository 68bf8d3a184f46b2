"""Noun 1: what was played. Types and replay; NumPy only, so that machines without torch can hold it."""
