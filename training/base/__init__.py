"""A small language model trained from scratch on a graph, to play the chat model of the experiment."""
