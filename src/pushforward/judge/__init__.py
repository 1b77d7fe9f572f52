"""Judging: splits, baselines, selection, p-values."""
