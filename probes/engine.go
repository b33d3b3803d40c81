package probes

import (
	"errors"
	"fmt"
	"time"
)

// noDeadline bounds a probe whose caller set no deadline, so that none is endless.
const noDeadline = 10 * time.Second

// Engine is what the probes of one process share: the folder that references are relative to, the ICMP identifiers, and
// the limit on privileged sockets. It is safe for concurrent use. A process has one, also across reloads.
type Engine struct {
	echoes *echoes
}

// NewEngine returns an engine. It opens nothing and needs no closing.
func NewEngine() *Engine { return &Engine{echoes: newEchoes()} }

// Prepare reads the files, environment variables and certificates that s refers to and returns the Prober. File
// references are relative to dir, the folder of the file that holds the settings. It does not touch the network and
// keeps nothing of s that a later write to s could change. The error wraps an *os.PathError where a file is at fault, and
// names everything wrong if s is not valid.
func (e *Engine) Prepare(s *Settings, dir string) (*Prober, error) {
	if ps := s.Validate(); len(ps) > 0 {
		errs := make([]error, len(ps))
		for i, p := range ps {
			errs[i] = errors.New(p.String())
		}
		return nil, fmt.Errorf("prepare probe: %w", errors.Join(errs...))
	}
	name, k := s.one()
	m, err := k.prepare(e, dir)
	if err != nil {
		return nil, fmt.Errorf("prepare %s probe: %w", name, err)
	}
	return &Prober{kind: name, target: k.target(), probe: m.ready()}, nil
}
