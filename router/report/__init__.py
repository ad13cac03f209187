"""`report`: what each destination got in a span of time, what was lost, and why, as tables and as pictures.

tables.py     the rows of the CSV files
pictures.py   a PNG for each destination and for the sources; needs Pillow
"""
