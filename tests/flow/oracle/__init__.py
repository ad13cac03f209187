"""The oracle for the promise: whatever was answered 200 meets its fate at every destination, through kills at any instant.

A driver numbers events and notes each 200 as an obligation. Two vendors note what arrives, and answer with every fault they
can. The daemon is killed again and again under load. Then the faults stop, and what was noted on both sides is compared.
`python -m tests.flow.oracle` is its long form.
"""
