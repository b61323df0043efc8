// Package syslog carries what a program logs to another machine, so that whoever takes this one cannot take back what it said (ASVS 16.4.3): RFC 5424 messages over TLS
// (RFC 5425), each the line of JSON that stands on standard error too, numbered so that the other side sees what is missing.
//
// It owns the line and its queue and nothing of what is said. It never holds up who logs: lines wait in memory within bounds, and what does not fit is lost, counted, and told
// of on both sides. TCP has no word of receipt, so the last lines before a break are sent again; the number tells which are the same.
//
// It must not import other rooms of ours than server/api.
package syslog
