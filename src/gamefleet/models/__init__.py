"""Network blocks shared by games."""
