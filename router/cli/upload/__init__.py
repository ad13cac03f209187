"""`send FILE`: a file of calls to the ingestion listener, in batches, in the file's order, each call at least once.

    input_file -> records (json_lines or csv_rows) -> windows -> Upload -> checkpoint

A window is up to eight batches that are sent at the same time, all calls of one user in the same batch. The next window is made
meanwhile, and goes out when all of this one are acknowledged. So the order of each user is kept, also where a batch has to be sent
again, and "acknowledged up to line N" is all that a second try has to know.

    input_file.py   the bytes: plain or gzip, a file or standard input, line by line
    json_lines.py   a line to a call
    csv_rows.py     a row to a call
    read_call.py    one pass over a call: its id, whose it is, whether it is good
    message_id.py   the id of a call that has none: the same at every try
    user_order.py   which calls must not travel at the same time
    windows.py      calls to request bodies below the daemon's limits; bad lines
    post.py         one request, again while the daemon asks to wait or gives no answer
    run.py          window after window, with a rate
    checkpoint.py   how far a file is acknowledged, kept on disk
    rejected.py     the lines that --skip-bad leaves out
    progress.py     how far it is, for people
    command.py      the verb
"""
