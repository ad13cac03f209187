"""The plugin author's bench: what tests and the demo need to play a vendor. Production code never imports it."""
