"""The admin listener: JSON API for operators and for the command line."""
