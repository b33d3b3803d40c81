package probes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/uptally/uptally"
)

// stage says what an error means where it happened: a deadline that ran out, a connection that the other side closed or
// reset, and anything else.
type stage struct {
	timeout, closed, reset, other uptally.Reason
}

// classify turns an error into the one reason it stands for, by its types and numbers and never by its text. What the
// agent itself lacks comes first: a local error is never down.
func (r *run) classify(err error, at stage) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return &fault{reason: r.reasonOf(err, at), detail: describe(err)}
}

// describe writes an error for people: what was done to which address, and the innermost cause, without our own port.
func describe(err error) string {
	var verify *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &verify):
		return verify.Err.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed by the other side"
	case !errors.As(err, &op) || op.Op == "remote error":
		return err.Error()
	}
	cause := op.Err
	var sys *os.SyscallError
	if errors.As(cause, &sys) {
		cause = sys.Err
	}
	if op.Addr == nil {
		return fmt.Sprintf("%s %s: %v", op.Op, op.Net, cause)
	}
	return fmt.Sprintf("%s %s %s: %v", op.Op, op.Net, op.Addr, cause)
}

func (r *run) reasonOf(err error, at stage) uptally.Reason {
	if reason, ok := localReason(err); ok {
		return reason
	}
	if timedOut(err) {
		if errors.Is(r.ctx.Err(), context.Canceled) {
			return uptally.AgentDown
		}
		return at.timeout
	}
	if reason, ok := certReason(err, time.Now()); ok {
		return reason
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return uptally.ConnectRefused
	case unreachable(err):
		return uptally.ConnectUnreachable
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return at.reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return at.closed
	}
	if reason, ok := alertReason(err); ok {
		return reason
	}
	return at.other
}

// localReason recognises what this machine lacks: descriptors, ports, memory, an address of the
// family, the interface or the address of the source, or a right.
func localReason(err error) (uptally.Reason, bool) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return 0, false
	}
	switch no {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAFNOSUPPORT, syscall.ENODEV:
		return uptally.Resource, true
	case syscall.EPERM, syscall.EACCES:
		return uptally.NotPermitted, true
	}
	return 0, false
}

// timedOut covers our deadline, a cancelled context (which arrives as either) and the kernel's own patience.
func timedOut(err error) bool {
	var n net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, syscall.ETIMEDOUT) || errors.As(err, &n) && n.Timeout()
}

func unreachable(err error) bool {
	return errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) ||
		errors.Is(err, syscall.EHOSTDOWN) || errors.Is(err, syscall.ENETDOWN)
}

// certReason reads why a certificate was refused. x509 has one reason for both ends of the validity.
func certReason(err error, now time.Time) (uptally.Reason, bool) {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var verify *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil && now.Before(invalid.Cert.NotBefore):
		return uptally.CertNotYetValid, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return uptally.CertExpired, true
	case errors.As(err, &name):
		return uptally.CertName, true
	case errors.As(err, &verify):
		return uptally.CertUntrusted, true
	}
	return 0, false
}

// What a server alerts that speaks none of the versions, or none of the protocols, offered (RFC 8446, section 6; RFC 7301).
const (
	alertProtocolVersion       = 70
	alertNoApplicationProtocol = 120
)

// alertReason reads an alert that the server sent. crypto/tls keeps the alert's type to itself; its number is the value.
func alertReason(err error) (uptally.Reason, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		switch v.Uint() {
		case alertProtocolVersion:
			return uptally.TLSVersion, true
		case alertNoApplicationProtocol:
			return uptally.TLSPolicy, true
		}
	}
	return uptally.TLSHandshake, true
}
