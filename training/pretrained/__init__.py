"""Pretrained base models that come as packages, and GGUF files as models of transformers."""
