"""The console: pages on the admin listener, rendered by the server, kept fresh over one stream a tab.

app.py          every page of the console, and who answers it
console.py      what every page needs: the daemon, its answers, sessions, templates
rendered.py     what a view returns
frame.py        a view's result as a whole page
stream.py       the same as fragments over server-sent events, one rendering for all who look at the same page
sessions.py     who is logged in, and the token that each form carries
guard.py        login, same origin and form tokens; the headers of each page
assets.py       scripts and styles, with a hash in their address
line.py         how what was accepted came to its ends, step by step
done.py         what a page says after a form was carried out
recent.py       what today's configuration would make of the newest events
words.py        what templates use: times, numbers, states with their shapes, masked traits
views/          one file a page: reads the answers, returns what its template shows
templates/      one file a page, frame.html around it, macros.html beside it
static/         our one style sheet and script; vendor/ with a manifest of versions, licences and hashes
"""
