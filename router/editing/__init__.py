"""Changing config.toml by program: comments, order and form stay, and nothing else is touched.

sections.py      the text of the file, cut at its headers
toml_values.py   values as TOML text
tables.py        keys of a destination set and removed, a destination added and removed, as text in and text out
lines.py         the line where each key stands
key_values.py    what is in force, key by key, with its origin; what another configuration would change
config_schema.py the JSON Schema of config.toml
comments.py      what comments of the text seem to hold of secrets, masked
masking.py       the text with its literal secrets masked, and the difference of two such texts
fields.py        the fields of a form, from a plugin's settings model
submitted.py     what a form sent back, as changes
secret_places.py where a new secret is kept
catalogue.py     the plugins that can be used, with what they ask for
config_file.py   the file itself: read, compared, written whole or not at all
"""
