package probes

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// noDeadline bounds a probe whose caller set no deadline, so that none is endless.
const noDeadline = 10 * time.Second

// Engine is what the probes of one process share: raw ICMP sockets and, where it was made by NewShared, all that scheduled
// ICMP probes and UDP questions need. It is safe for concurrent use. A process has one, also across reloads.
type Engine struct {
	pool *echoPool
	// shared says that scheduled ICMP probes and UDP questions use the sockets of the engine.
	shared bool
	// keeper holds the connections of HTTP probes that reuse them.
	keeper *keeper
	// questions are the sockets of UDP questions; nil where each has its own.
	questions *dnsSockets
	// closers end what the engine opened for all of its probes.
	closers []io.Closer
}

// NewEngine returns an engine for a few probes: each has sockets of its own; raw ones are shared by probes at the same time
// and closed after the last of them. It needs no closing: what HTTP probes keep for the next one ends by itself.
func NewEngine() *Engine { return newEngine(false) }

// NewShared returns an engine for scheduled checks: ICMP probes and UDP questions share sockets, which are opened by the
// first probe that needs them and stay open until Close.
func NewShared() *Engine {
	e := newEngine(true)
	if e.questions = newDNSSockets(); e.questions != nil {
		e.closers = append(e.closers, e.questions)
	}
	return e
}

func newEngine(shared bool) *Engine {
	pool, kept := newEchoPool(shared), newKeeper()
	return &Engine{pool: pool, shared: shared, keeper: kept, closers: []io.Closer{pool, kept}}
}

// Close closes the shared sockets and waits for their readers. Probes still in flight end with agent_down, and so does
// every later one that would need such a socket. It closes the connections that HTTP probes keep for the next one too. It may be
// called more than once, and does nothing else to an engine made by NewEngine.
func (e *Engine) Close() error {
	var errs []error
	for _, c := range e.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Prepare reads the files, environment variables and certificates that s refers to and returns the Prober. File
// references are relative to dir, the folder of the file that holds the settings. It does not touch the network and
// keeps nothing of s that a later write to s could change. The error wraps an *os.PathError where a file is at fault, and
// names everything wrong if s is not valid.
func (e *Engine) Prepare(s *Settings, dir string) (*Prober, error) {
	return e.PrepareFrom(s, Folder(dir))
}

// PrepareFrom is Prepare with what s refers to taken of a source.
func (e *Engine) PrepareFrom(s *Settings, from Source) (*Prober, error) {
	if ps := s.Validate(); len(ps) > 0 {
		errs := make([]error, len(ps))
		for i, p := range ps {
			errs[i] = errors.New(p.String())
		}
		return nil, fmt.Errorf("prepare probe: %w", errors.Join(errs...))
	}
	name, k := s.one()
	m, err := k.prepare(e, from)
	if err != nil {
		return nil, fmt.Errorf("prepare %s probe: %w", name, err)
	}
	return &Prober{kind: name, target: k.target(), probe: m.ready()}, nil
}
