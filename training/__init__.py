"""Probe a model, label, mix, fine-tune and calibrate it: the offline job that yields a bundle."""
