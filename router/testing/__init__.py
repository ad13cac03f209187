"""The plugin author's bench: a vendor to send to and well-made calls to map. Only the roof (demo, bench, verbs) and tests use it."""
