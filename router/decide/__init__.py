"""Decide: what shall become of an event at a destination. Pure; no store, no clock, no plugin code but its facts."""
