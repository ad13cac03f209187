"""What states, reasons and counts mean, in sentences for people. The command line and the console say the same.

figures.py    numbers, spans and instants as people read them
reasons.py    the one table of reasons: sentence, cause, who acts, next step
steps.py      the steps of a decision, and where it stopped
failures.py   what vendors answered, like with like
discards.py   why calls could not be used: the same for each code of a discard
phrases.py    sentences made from what the admin API gives
whereabouts.py  where the events of a person or a group are, destination by destination
troubles.py   what somebody should know of now
"""
