package uptally

import "fmt"

// Outcome is what a slot left. The zero value is no outcome.
type Outcome uint8

const (
	// Up is a success: the target answered as the check demands.
	Up Outcome = iota + 1
	// Down is a failure of the target.
	Down
	// Void ran but proves nothing: the site was cut off, or its clock or CPU was at fault.
	Void
	// Missed is a slot that came due and was not probed.
	Missed
	// Unknown is the ledger's own word for a slot whose evidence is absent or contested. No agent writes it.
	Unknown
)

var outcomeNames = [...]string{Up: "up", Down: "down", Void: "void", Missed: "missed", Unknown: "unknown"}

// String returns the lower-case word used in metrics, statements and files.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) && outcomeNames[o] != "" {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Reason says why a result is not up. The list is closed; a reason belongs to exactly one outcome, so a Reason alone is
// the outcome code of the stored bytes. Numbers are part of the format and are never reused.
// Source: docs/probes.md, "Reasons".
type Reason uint8

// OK is the reason of Up: there is nothing to explain.
const OK Reason = 0

// Reasons of Down.
const (
	ResolveNXDomain Reason = iota + 1
	ResolveNoAddress
	ResolveFailed
	ResolveTimeout
	ConnectRefused
	ConnectUnreachable
	ConnectReset
	ConnectTimeout
	TLSHandshake
	TLSTimeout
	TLSVersion
	TLSPolicy
	CertExpired
	CertNotYetValid
	CertName
	CertUntrusted
	CertPin
	CertExpiring
	TooSlow
	ProxyFailed
	WriteFailed
	ResponseTimeout
	ResponseMalformed
	ConnectionClosed
	Version
	Status
	Header
	Redirect
	BodyTimeout
	BodyTruncated
	BodyTooLarge
	Body
	JSON
	StartTLSRefused
	ReplyTimeout
	ReplyMismatch
	ReplyTooLarge
	UnexpectedOpen
	NoReply
	Loss
	Unreachable
	TTLExceeded
	TooBig
	PayloadMismatch
	QueryTimeout
	ReplyMalformed
	DoHStatus
	RCode
	NoAnswer
	Answer
	Authority
	Additional
	TTL
	Flag
	NotAuthentic
	Serial
	Truncated
	Unstated // an imported failure whose source names no reason
	lastDown = Unstated
)

// Reasons of Void.
const (
	Local Reason = iota + 128
	Clock
	AgentDelay
	Resource
	lastVoid = Resource
)

// Reasons of Missed.
const (
	AgentDown Reason = iota + 160
	Paused
	SpoolFull
	Overtaken
	NoWorker
	StillRunning
	NotPermitted
	lastMissed = NotPermitted
)

// Reasons of Unknown, given by the ledger.
const (
	NoData Reason = iota + 192
	Corrupt
	Conflict
	Held
	Reinstalled
	PlanChange
	lastUnknown = PlanChange
)

var reasonNames = [256]string{
	OK:              "ok",
	ResolveNXDomain: "resolve_nxdomain", ResolveNoAddress: "resolve_no_address", ResolveFailed: "resolve_failed", ResolveTimeout: "resolve_timeout",
	ConnectRefused: "connect_refused", ConnectUnreachable: "connect_unreachable", ConnectReset: "connect_reset", ConnectTimeout: "connect_timeout",
	TLSHandshake: "tls_handshake", TLSTimeout: "tls_timeout", TLSVersion: "tls_version", TLSPolicy: "tls_policy",
	CertExpired: "cert_expired", CertNotYetValid: "cert_not_yet_valid", CertName: "cert_name", CertUntrusted: "cert_untrusted", CertPin: "cert_pin", CertExpiring: "cert_expiring",
	TooSlow:     "too_slow",
	ProxyFailed: "proxy_failed", WriteFailed: "write_failed", ResponseTimeout: "response_timeout", ResponseMalformed: "response_malformed",
	ConnectionClosed: "connection_closed", Version: "version", Status: "status", Header: "header", Redirect: "redirect",
	BodyTimeout: "body_timeout", BodyTruncated: "body_truncated", BodyTooLarge: "body_too_large", Body: "body", JSON: "json",
	StartTLSRefused: "starttls_refused", ReplyTimeout: "reply_timeout", ReplyMismatch: "reply_mismatch", ReplyTooLarge: "reply_too_large", UnexpectedOpen: "unexpected_open",
	NoReply: "no_reply", Loss: "loss", Unreachable: "unreachable", TTLExceeded: "ttl_exceeded", TooBig: "too_big", PayloadMismatch: "payload_mismatch",
	QueryTimeout: "query_timeout", ReplyMalformed: "reply_malformed", DoHStatus: "doh_status", RCode: "rcode", NoAnswer: "no_answer", Answer: "answer",
	Authority: "authority", Additional: "additional", TTL: "ttl", Flag: "flag", NotAuthentic: "not_authentic", Serial: "serial", Truncated: "truncated",
	Unstated: "unstated",
	Local:    "local", Clock: "clock", AgentDelay: "agent_delay", Resource: "resource",
	AgentDown: "agent_down", Paused: "paused", SpoolFull: "spool_full", Overtaken: "overtaken", NoWorker: "no_worker", StillRunning: "still_running", NotPermitted: "not_permitted",
	NoData: "no_data", Corrupt: "corrupt", Conflict: "conflict", Held: "held", Reinstalled: "reinstalled", PlanChange: "plan_change",
}

// Valid reports whether r is on the closed list.
func (r Reason) Valid() bool { return reasonNames[r] != "" }

// Outcome returns the one outcome that r belongs to, or 0 for a number that is not on the list.
func (r Reason) Outcome() Outcome {
	switch {
	case r == OK:
		return Up
	case r <= lastDown:
		return Down
	case r >= Local && r <= lastVoid:
		return Void
	case r >= AgentDown && r <= lastMissed:
		return Missed
	case r >= NoData && r <= lastUnknown:
		return Unknown
	}
	return 0
}

// String returns the word used in metrics, statements and files, such as "connect_refused"; "ok" for Up.
func (r Reason) String() string {
	if r.Valid() {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// ParseReason is the inverse of Reason.String. The error names the text.
func ParseReason(s string) (Reason, error) {
	if s != "" {
		for r, name := range reasonNames {
			if name == s {
				return Reason(r), nil
			}
		}
	}
	return 0, fmt.Errorf("parse reason: got %q, want a word of the closed list, such as connect_refused", s)
}

// Reasons returns every reason of o in the order of their numbers.
func Reasons(o Outcome) []Reason {
	var rs []Reason
	for r := range reasonNames {
		if Reason(r).Valid() && Reason(r).Outcome() == o {
			rs = append(rs, Reason(r))
		}
	}
	return rs
}
