package agent

import (
	"context"
	"time"

	"github.com/uptally/uptally/probes"
)

// referenceTimeout is how long a reference has to answer.
// Source: docs/measuring.md, "Isolation".
const referenceTimeout = 2 * time.Second

// Reference is a target that is no customer's: it is asked beside a failure, and its silence says that the failure may be
// the site's own.
type Reference struct {
	// Name is how people know it, such as "tcp://192.0.2.1:53".
	Name string
	// Part is the part of the site's network that it stands for.
	Part Part
	// Votes says that its answer decides. Without a vote it is asked for the diagnosis alone; a Resolver decides about failed
	// names in either case.
	Votes bool
	// Probe asks it once; up is an answer. What was not asked at all (missed, void(resource)) is neither answer nor silence.
	// It ends with its context and is called by any goroutine.
	Probe func(context.Context) probes.Observation
}

// Part is a part of a site's network.
type Part uint8

const (
	// Uplink is the way to everywhere else.
	Uplink Part = iota
	// Gateway is the site's own router.
	Gateway
	// Resolver answers the site's questions for names.
	Resolver
	parts
)

var partNames = [parts]string{Uplink: "uplink", Gateway: "gateway", Resolver: "resolver"}

// String returns the word used in details, logs and metrics.
func (p Part) String() string { return partNames[p] }
