"""Tells a web address when a trouble begins and when it is over: `[notify]`.

sight.py      what is wrong now
changes.py    what has changed against what was told
bodies.py     the message: as JSON, for Slack, for Teams; and its signature
notifier.py   the task: looks, sends, tries again, remembers what was told
"""
