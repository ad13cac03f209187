"""How far a search through the log looks: in one go, so that nothing else waits for it for long, and in all."""

SLICE = 10_000
LOOK_BACK = 500_000
"""Events that a search looks at, in one go and in all."""

SLICE_WITH_STATES = 500
LOOK_BACK_WITH_STATES = 5_000
"""The same where the state of each of them has to be looked up."""
