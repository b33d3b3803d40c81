package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes"
)

// hint is what the person at the terminal can do where the machine and not the target is at fault.
type hint struct{ why, command string }

func hintsOf(kind string, o probes.Observation) []hint {
	if kind != "icmp" || o.Reason != uptally.NotPermitted {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		program = "uptally"
	}
	open, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		return nil // another system, with rights of its own
	}
	return pingHints(string(open), os.Getegid(), program)
}

// pingHints are the two ways to be allowed to ping, of which one is enough. open is the sysctl, the first and the last group.
func pingHints(open string, group int, program string) []hint {
	var first, last int64
	may := "no group may ping"
	if n, err := fmt.Sscan(open, &first, &last); n == 2 && err == nil && first <= last {
		may = fmt.Sprintf("groups %d to %d may ping", first, last)
	}
	return []hint{
		{fmt.Sprintf("%s, and this process has group %d; either let it, as root:", may, group), fmt.Sprintf(`sysctl -w net.ipv4.ping_group_range="%d %d"`, group, group)},
		{"or give the program the capability, as root:", "setcap cap_net_raw+ep " + program},
	}
}

// hints writes why and, unbroken so that it can be copied, the command.
func (l look) hints(b *strings.Builder, hints []hint) {
	for _, h := range hints {
		fmt.Fprintf(b, "  %s%s\n    %s\n", l.paint("hint: ", yellow), l.wrap(h.why, 8), l.say(h.command))
	}
}
