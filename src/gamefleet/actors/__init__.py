"""Play and record: policies, vectorised workers, curricula, evaluation."""
