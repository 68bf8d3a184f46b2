"""The wirings: compositions of actors, learners and transports, and the run's configuration."""
