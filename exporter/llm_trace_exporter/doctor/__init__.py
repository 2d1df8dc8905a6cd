"""`doctor`: asks a Prometheus what keeps metrics, rules and panels from working.

`gather` finds the facts out and freezes them; the checks of `CHECKS` are pure functions from
facts to findings; `report` prints them.
"""
