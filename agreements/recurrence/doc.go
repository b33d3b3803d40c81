// Package recurrence says when the events of an iCalendar file take place. It is pure: rules and instants in, instants
// out; the text is read by configs.
//
// It knows the subset of RFC 5545 that the reader accepts: RRULE with FREQ (daily to yearly), INTERVAL, COUNT, UNTIL,
// BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST, and EXDATE, RDATE and RECURRENCE-ID. It departs from the RFC in one
// place, to have one rule in all of uptally: an occurrence at a time of day that the clock skips begins at the first
// instant that exists after it (the RFC drops those of a rule and shifts a DTSTART by the length of the gap). At a time of
// day that the clock shows twice it begins the first time.
package recurrence
