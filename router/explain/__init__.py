"""What states, reasons and counts mean, in sentences for people. The command line and the console say the same.

figures.py    numbers, spans and instants as people read them
reasons.py    the one table of reasons: sentence, cause, who acts, next step
troubles.py   what somebody should know of now
failures.py   what vendors answered, like with like
discards.py   why calls could not be used: the same for each code of a discard
phrases.py    sentences made from what the admin API gives
"""
