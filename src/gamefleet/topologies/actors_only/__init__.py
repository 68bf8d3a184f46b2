"""The wiring of a member that plays and does not learn."""
