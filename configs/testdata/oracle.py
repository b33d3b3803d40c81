# When do the events of an iCalendar file take place? The answer of Debian's icalendar (reading) and dateutil (rules), for
# comparison with uptally's. Each line of input is {"ics": text, "before": milliseconds}; each line of output the list of
# [from, to, summary] that begin before. Clock changes are decided here by looking at the clock once a minute.
import datetime as dt
import json
import sys
import zoneinfo

import icalendar
from dateutil.rrule import rrulestr

UTC = dt.timezone.utc


def wall_and_zone(prop, value):
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day), UTC
    if prop.params.get("TZID") not in (None, "UTC"):
        return value.replace(tzinfo=None), zoneinfo.ZoneInfo(prop.params["TZID"])
    return value.replace(tzinfo=None), UTC


def instant(wall, zone):
    """The first instant at which the zone's clock shows wall, or the first that exists after it."""
    while True:
        at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) == wall:
            return round(at.timestamp() * 1000)
        wall = (wall + dt.timedelta(minutes=1)).replace(second=0)


def many(event, name):
    props = event.get(name, [])
    for prop in props if isinstance(props, list) else [props]:
        for value in prop.dts:
            yield wall_and_zone(prop, value.dt)


def length(event, wall, zone):
    """A function from a start to its end."""
    if "DURATION" in event:
        span = event["DURATION"].dt
        days, rest = dt.timedelta(days=span.days), span.seconds * 1000
        return lambda wall, zone: instant(wall + days, zone) + rest
    if "DTEND" in event:
        span = instant(*wall_and_zone(event["DTEND"], event["DTEND"].dt)) - instant(wall, zone)
        return lambda wall, zone: instant(wall, zone) + span
    return lambda wall, zone: instant(wall + dt.timedelta(days=1), zone)


def walls(event, wall, zone, before):
    if "RRULE" not in event:
        return [wall]
    text = event["RRULE"].to_ical().decode()
    timed = isinstance(event["DTSTART"].dt, dt.datetime)
    found = []
    for w in rrulestr(text, dtstart=wall.replace(tzinfo=zone) if timed else wall):
        w = w.replace(tzinfo=None)
        if instant(w, zone) >= before:
            break
        found.append(w)
    return found


def expand(text, before):
    events = {}
    others = []
    for event in icalendar.Calendar.from_ical(text).walk("VEVENT"):
        prop = event["DTSTART"]
        wall, zone = wall_and_zone(prop, prop.dt)
        end = length(event, wall, zone)
        starts = {instant(w, zone): (w, zone) for w in walls(event, wall, zone, before)}
        starts.update({instant(w, z): (w, z) for w, z in many(event, "RDATE")})
        for w, z in many(event, "EXDATE"):
            starts.pop(instant(w, z), None)
        rows = {at: [at, end(w, z), str(event.get("SUMMARY", ""))] for at, (w, z) in starts.items()}
        if str(event.get("STATUS", "")) == "CANCELLED":
            rows = {}
        if "RECURRENCE-ID" in event:
            others.append((str(event["UID"]), instant(*wall_and_zone(event["RECURRENCE-ID"], event["RECURRENCE-ID"].dt)), rows))
        else:
            events[str(event["UID"])] = rows
    result = []
    for uid, at, rows in others:
        events[uid].pop(at, None)
        result += rows.values()
    for rows in events.values():
        result += rows.values()
    return sorted(row for row in result if row[0] < before)


for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = expand(question["ics"], question["before"])
    except Exception as e:  # whatever the libraries cannot do fails that one question
        answer = repr(e)
    print(json.dumps(answer), flush=True)
