"""The wiring of many ranks that learn from recorded play as one."""
