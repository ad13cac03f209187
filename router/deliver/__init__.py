"""Deliver: a destination as a fold over the log. Lanes by user, batches, attempts, settlement in one commit."""
