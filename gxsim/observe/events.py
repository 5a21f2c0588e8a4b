"""Events as ``kubectl get events`` lists them: equal ones counted, with the first and the last time."""

from gxsim.observe.table import Table
from gxsim.timeline import Timeline

COLUMNS = ("first_s", "last_s", "count", "kind", "object", "reason", "message")


def event_table(timeline: Timeline) -> Table:
    """One row per object, reason and message, in the order of their first time."""
    found: dict[tuple[str, str, str, str], tuple[float, float, int]] = {}
    for event in timeline.events:
        key = (event.kind, event.name, event.reason, event.message)
        last_s = event.time_s if event.last_s is None else event.last_s
        first_s, until_s, count = found.get(key, (event.time_s, last_s, 0))
        found[key] = (min(first_s, event.time_s), max(until_s, last_s), count + event.count)
    rows = sorted((*times, *key) for key, times in found.items())
    return Table.of("events", "Events: equal ones of one object counted, with first and last time", COLUMNS, rows)
