"""Readers of knowledge graphs, one module a format. All stream, all count what they cannot read."""
