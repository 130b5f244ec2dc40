"""The web as a source: providers of search results, guarded fetching of pages, their main text."""
