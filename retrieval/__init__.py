"""The chain behind every refusal: index, web search, evidence, reading."""
