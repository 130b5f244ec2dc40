"""Set work in DuckDB, out of core: rows of any number to facts, questions and passages.

store      the database of a job, and which of its steps are done
rows       what the sources gave, as they gave it
relations  which relations are asked, and in which words
names      subjects and what they are called
entities   one thing however many names: components, which are split, and what leaks between them
facts      values cleaned, lists cut, objects joined with their names, grouped by fact
templates  the relations' wordings, cut at the holes that facts fill
questions  facts judged, chosen and worded, as JSON Lines
caps       how many questions a relation, and an answer within it, may have
passages   the facts of an entity in one paragraph, as JSON Lines
"""
