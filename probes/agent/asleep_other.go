//go:build !linux

package agent

import "time"

// asleep is 0: the sleep of the machine is not known here.
func asleep() time.Duration { return 0 }
