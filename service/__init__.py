"""The question-answering endpoint: direct answer, retrieved answer with citations, or an honest refusal."""
