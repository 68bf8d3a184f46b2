"""Public fakes: toy games with known answers, contract checks, fault injection."""
