"""How plugins are held against the contract: the machinery of the conformance checks. The checks are in `router.testing.checks`.

check       a check as data; the two ways in which one is not made
subject     a plugin with what it sends: what several checks look at, made once
mapped_subject  a plugin with its settings, and what its mapping hooks make
report      runs the checks; results, tiers, and words for people
scene       the other end of a plugin that does not send by the Sender
marked_settings  settings with secrets that can be found again
watch       what code does while it runs: clocks, chance, files, sockets, threads
frames      whose code is running, for `watch`
watched_calls  what events of Python mean, for `watch`
activity    what a plugin does while one coroutine runs
loops       an event loop that outlives what plugins do to it
mapping_call  one call of a hook that makes items
hook_inputs  the events, contexts, people and groups that hooks are called with
process_state  what belongs to the whole process, and what was changed of it
other_hash  a plugin whose hash() gives other numbers
loading     modules and classes by name, for another process
unused_copy  a class that no test has used yet
mapping_runs  every mapping hook with all events and contexts
other_process  the same calls in another process, with another time zone, environment and order of sets
calls_in_order  the calls of one user in order, with state and timers
same_request  what two attempts at the same items have in common
event_variants  events that differ from a sample in one thing
ids_in_reasons  reasons that hold an id of the event
like_items  batches of items that differ only in their ids
order_in_requests  the order in which a request has the items of a user
item_results  the results of single items in an answer, of which one is changed
many_calls  many calls, of one user or of many
growth      whether memory grows with each event that is mapped or sent
vendor_in_memory  a vendor without a network
standard_answers  the standard set of its answers
life        a plugin with its lifetime open, and what came of a delivery
built_requests  the hook `request` with all items, and what is sent for some
answered_deliveries  deliveries with each of the answers
second_attempts  attempts at the same items after one of their requests has failed
check_hook  the hook `check`, called while all is well and while it is not
leftovers  the tasks and timers that a life leaves behind
concurrent_deliveries  deliveries that hang: cancelled, or two at once
two_accounts  the same items sent by two instances with other settings
vendor_function  the author's own answers of a vendor, and what they raise
vendor_place  the answers of a vendor, by the place where they are written
examine     an installed plugin with all checks in a process of its own, for `plugin check`

Nothing here needs pytest: `plugin check` uses it, too.
"""
