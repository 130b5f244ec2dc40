"""Reading: from evidence to an answer that its citations support."""
