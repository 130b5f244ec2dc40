"""The question-answering endpoint: direct answer, answer with citations, or honest refusal."""
