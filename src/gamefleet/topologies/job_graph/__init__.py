"""The wiring of a skill graph: proposals become jobs, jobs become experts, experts are merged."""
