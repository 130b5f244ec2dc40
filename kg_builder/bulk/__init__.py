"""Set work in DuckDB, out of core: rows of any number to facts, questions and passages.

store      the database of a job, and which of its steps are done
rows       what the sources gave, as they gave it
names      relations, subjects, and what they are called
facts      values cleaned, lists cut, objects joined with their names, grouped by fact
export     questions and passages, worded by the relations' templates, as JSON Lines
"""
