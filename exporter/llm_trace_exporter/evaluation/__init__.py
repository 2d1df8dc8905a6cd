"""Offline evaluation: the rules of the judge asked of recorded calls, and held against people."""
