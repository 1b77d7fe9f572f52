"""Closed forms and quadratures that know the right answer."""
