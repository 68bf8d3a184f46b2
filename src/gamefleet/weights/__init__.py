"""Noun 2: versioned weights. No torch here."""
