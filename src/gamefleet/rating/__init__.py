"""How strong players are: ratings with intervals, from matches of any game."""
