"""Jobs on SLURM: its commands, their words, batch scripts, what a site offers."""
