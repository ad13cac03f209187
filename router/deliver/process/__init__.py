"""What becomes of an event: it is opened, decided, and mapped by the plugin.

prepare.py          before a batch of turns: opens events and asks the directory for all of them together
filtering.py        where there is consent to ask for, or filters: asks when an event is opened
mapper.py           calls the mapping hooks and checks what they return
plugin_state.py     the plugin's keyed state
shared_events.py    destinations share opened events; finds a plugin that changes one

The decision itself is in `router/decide`.
"""
