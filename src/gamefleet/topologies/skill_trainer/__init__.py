"""Training one skill: a compiled world, PPO and plans."""
