"""A soak: the daemon for minutes or hours at a set rate, with vendors that are ill, restarts and reloads, measured all the time.

    python -m tests.flow.soak --minutes 120 --rate 100 --result soak

traffic    the calls, each made from its number alone
driver     posts them at the rate, each until it has its 200, and times the answers
vendor     counts arrivals by number; ill, and down now and then
daemon     the daemon as it is in production, and what it takes of the machine
samples    a row for each look: the CSV file
verdict    whether a measure is flat: the slope of its second half against a bound; the table and the picture
story      all of it at once, and the counts at the end
"""
