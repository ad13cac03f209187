"""The console: pages on the admin listener, rendered by the server, kept fresh over one stream a tab.

app.py          every page of the console, and who answers it
console.py      what every page needs: the daemon, its answers, sessions, templates
rendered.py     what a view returns
frame.py        a view's result as a whole page
stream.py       the same as fragments over server-sent events, one rendering for all who look at the same page
sse_message.py  a fragment as bytes, the same for all browsers
turns.py        turns of the event loop that work for pages takes, with gaps for events
patience.py     waits for an answer as long as a page may take
personal.py     traits, masked until somebody asks to see them
sessions.py     who is logged in, and the token that each form carries
guard.py        login, same origin and form tokens; the headers of each page
assets.py       scripts and styles, with a hash in their address
shared_answer.py  what all pages show when they refresh, asked for once
troubles.py     what somebody should know of now, for every page
bodies.py       calls, items and requests as text, masked
decisions.py    what a destination asks of an event, for the steps of its decision
templating.py   the templates, compiled beside the event loop
live_rows.py    rows of events, made once for all pages that show them
live_tail.py    the newest events of one kind, kept while a page shows them
live_rate.py    how quickly events come, and how many of them a page shows
live_tails.py   all of these, and how often each may ask the store
charts.py       series as lines that the server draws, and as numbers
line.py         how what was accepted came to its ends, step by step
done.py         what a page says after a form was carried out
recent.py       what today's configuration would make of the newest events
words.py        what templates use: times, numbers, states with their shapes
edits.py        changes of config.toml that wait for somebody's yes, and secrets that were typed for them
saving.py       such a change written and put in force, or nothing of it
saves.py        those that are under way: each to its end, whoever goes away meanwhile
edit_form.py    the form of a destination: its fields, what was sent back, the check of the whole file
views/          one file a page: reads the answers, returns what its template shows
templates/      one file a page, frame.html around it, macros.html beside it
static/         our one style sheet and script; vendor/ with a manifest of versions, licences and hashes
"""
