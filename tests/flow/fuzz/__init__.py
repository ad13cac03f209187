"""A fuzzer for the whole daemon: attacked from all sides with seeded chance, it must still deliver what an honest client sends.

    python -m tests.flow.fuzz --seconds 3600 --seed 1

wire             sockets: what is sent, what is read, what was answered; the counts of what was tried
odd_values       JSON values that few programs expect, good calls, and how to spoil them
odd_returns      what the plugin `erratic` returns, raises and stores
json_bodies      spoiled JSON and batches to ingestion
gzip_bodies      compressed bodies: cut, doubled, far too large, of the wrong kind
raw_sockets      bytes and spoiled request heads to both listeners
structured_http  requests that are nearly right: methods, paths, queries, headers, pieces, pipelines
admin_calls      the admin API with odd queries and bodies
operations       an operator: reload, pause, resume, release, replay, drop
vendor_answers   two vendors that answer anything: a real HTTP server, and bare sockets
honest           the honest client, and the vendor that notes what it gets
fuzzed_daemon    the daemon under test: its destinations, and its log, read line by line
story            all of it at once, and what must be true at the end
"""
