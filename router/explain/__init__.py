"""What states, reasons and counts mean, in sentences for people. The command line and the console say the same.

figures.py    numbers, spans and instants as people read them
reasons.py    the one table of reasons: sentence, cause, who acts, next step
steps.py      the steps of a decision, and where it stopped
failures.py   what vendors answered, like with like
mended.py     what was mended in calls, and by which library they were sent
discards.py   why calls could not be used: the same for each code of a discard
command_lines.py  what to type, without the name of the program
code_phrases.py         a code as a sentence, with the words of the event in it
event_phrases.py        what became of one event
destination_phrases.py  how a destination is
trial_phrases.py        what would become of an event, and what came of a test
search_phrases.py       what was not found, and what a list leaves out
regulation_phrases.py   a regulation
usual_reasons.py  why a tool shows nothing of what it took
whereabouts.py  where the events of a person or a group are, destination by destination
troubles.py   what somebody should know of now
trouble_codes.py        the codes of that
"""
