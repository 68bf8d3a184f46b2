"""What `gamefleet doctor` asks about a machine, a cluster and what lies between."""
