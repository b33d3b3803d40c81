package main

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/probes/schedule"
)

// limits are what the machine lets the process have.
type limits struct {
	// files is how many descriptors it may open, memory how many bytes it may use, each 0 where that is not known.
	files, memory int64
	cores         int
}

const (
	// keptFiles are the descriptors that are no probe's: ledger, pages, scrapes.
	keptFiles = 256
	// probeFiles is the most that one probe opens at once, probeMemory what it may cost in bytes, for TLS with its certificates.
	probeFiles, probeMemory = 2, 128 << 10
	// memoryShare is the part of the allowance, in percent, from which on the garbage collector works as hard as it must.
	memoryShare = 75
)

// applyLimits sets what a process can set for itself: a limit of memory, unless its environment has one, and no core dumps,
// which would hold secrets. Descriptors are raised to the hard limit by Go itself.
func applyLimits(context.Context) error {
	noCoreDumps()
	if memory := mostMemory(); memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 100 * memoryShare)
	}
	return nil
}

// inFlight is how many probes of each kind are in the air at a site at once when every target is silent: rate times timeout. Of a check
// that has several plans the greatest counts.
func inFlight(plans []uptally.Plan, site string) map[string]int {
	shares := map[[2]string]float64{}
	for i := range plans {
		p := &plans[i]
		if p.Rank(site) < 0 {
			continue
		}
		every := p.Every
		if every == 0 {
			every = p.Timeout // slots of cron checks fall together
		}
		of := [2]string{p.Kind, p.Check}
		shares[of] = max(shares[of], float64(p.Timeout)/float64(every))
	}
	sums := map[string]float64{}
	for of, share := range shares {
		sums[of[0]] += share
	}
	need := map[string]int{}
	for kind, sum := range sums {
		need[kind] = int(math.Ceil(sum))
	}
	return need
}

// workers sizes each kind for the outage: twice what the slots need, since focus has its share, and never less than the default.
// Where the machine does not allow so many they shrink alike.
func (l limits) workers(need map[string]int) map[string]int {
	workers, sum := map[string]int{}, 0
	for kind, n := range need {
		workers[kind] = max(schedule.DefaultWorkers, 2*n)
		sum += workers[kind]
	}
	if most := l.probes(); sum > most {
		for kind := range workers {
			workers[kind] = max(1, int(int64(workers[kind])*int64(most)/int64(sum)))
		}
	}
	return workers
}

// probes is how many probes the machine allows at once.
func (l limits) probes() int {
	most := int64(math.MaxInt32)
	if l.files > 0 {
		most = min(most, (l.files-keptFiles)/probeFiles)
	}
	if l.memory > 0 {
		most = min(most, l.memory/2/probeMemory)
	}
	return int(max(1, most))
}

// log says in one line what there is and what an outage of everything needs.
func (l limits) log(log *slog.Logger, need, workers map[string]int) {
	level := slog.LevelInfo
	attrs := []any{"cores", l.cores, "descriptors", l.files, "memory_mb", l.memory >> 20, "probes_at_once", l.probes()}
	for _, kind := range slices.Sorted(maps.Keys(need)) {
		attrs = append(attrs, kind+"_needs", need[kind], kind+"_workers", workers[kind])
		if workers[kind] < need[kind] {
			level = slog.LevelWarn // slots will be missed(no_worker) when many targets are silent
		}
	}
	log.Log(context.Background(), level, "limits", attrs...)
}

// machineLimits asks the machine.
func machineLimits() limits {
	return limits{files: mostFiles(), memory: mostMemory(), cores: runtime.GOMAXPROCS(0)}
}
