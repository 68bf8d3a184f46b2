"""A laptop's copy of a shared folder, kept by rsync over SSH."""
