"""Machines and jobs: chains of jobs past a time limit, on SLURM, in tmux or on this machine.

Job: keep a training run going on machines that come and go. Place in the data flow: outside of it; what a job runs is a
command line. Left out: everything about learning; this package imports neither torch nor numpy.
"""
