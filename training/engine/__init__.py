"""Where language models run: in process, or behind an OpenAI-compatible server."""
