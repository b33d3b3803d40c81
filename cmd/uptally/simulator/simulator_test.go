package simulator

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this seed alone, with its story")
	seedsFlag = flag.Uint64("seeds", 2_000, "how many seeds TestSimulator runs")
)

// each runs seeds 1 to n on all processors and calls f with each report, one after the other.
func each(n uint64, bug Bug, f func(seed uint64, r Report) (more bool)) {
	var next atomic.Uint64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1); seed <= n; seed = next.Add(1) {
				r := Run(Options{Seed: seed, Bug: bug})
				mu.Lock()
				if !f(seed, r) {
					next.Store(n)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// tell fails a test with the story of a seed.
func tell(t *testing.T, seed uint64) {
	t.Helper()
	for i, v := range Run(Options{Seed: seed, Story: true}).Violations {
		t.Errorf("seed %d: %s: %s", seed, v.Invariant, v.Text)
		if i == 0 {
			t.Log("what led to it:\n" + strings.Join(v.Story, "\n"))
		}
	}
}

// TestSimulator runs worlds in which everything goes wrong, and nothing that an append returned for may be lost, nothing counted
// twice, no downtime invented. Again with -seed N it tells the story of one.
func TestSimulator(t *testing.T) {
	if *seedFlag != 0 {
		tell(t, *seedFlag)
		return
	}
	n := *seedsFlag
	if testing.Short() {
		n = 200
	}
	var sum Counts
	faults, violated := 0, 0
	each(n, None, func(seed uint64, r Report) bool {
		sum.Batches += r.Counts.Batches
		sum.Results += r.Counts.Results
		sum.Taken += r.Counts.Taken
		sum.Lost += r.Counts.Lost
		sum.Simulated += r.Counts.Simulated
		for _, k := range r.Counts.Faults {
			faults += k
		}
		if len(r.Violations) > 0 {
			violated++
			if violated <= 3 {
				tell(t, seed)
			}
		}
		return violated < 10
	})
	t.Logf("%d seeds, %d hours simulated: %d faults; %d results in %d batches appended, %d batches destroyed by faults, %d in ledgers; %d seeds violated a promise",
		n, sum.Simulated/hour, faults, sum.Results, sum.Batches, sum.Lost, sum.Taken, violated)
}

// The same seed gives the same run, whatever else the process does: a failing seed can be looked at as often as wanted.
func TestSeedReplays(t *testing.T) {
	n := uint64(50)
	if testing.Short() {
		n = 10
	}
	first := map[uint64]uint64{}
	each(n, None, func(seed uint64, r Report) bool { first[seed] = r.Hash; return true })
	each(n, None, func(seed uint64, r Report) bool {
		if r.Hash != first[seed] {
			t.Errorf("seed %d: got hash %016x, then %016x, want one", seed, first[seed], r.Hash)
		}
		return true
	})
	if told := Run(Options{Seed: 1, Story: true}).Hash; told != first[1] {
		t.Errorf("seed 1: got hash %016x, and %016x with its story, want one", first[1], told)
	}
}

// Every planted bug is found: what finds nothing without them proves something.
func TestPlantedBugs(t *testing.T) {
	const n = 200
	var table strings.Builder
	fmt.Fprintf(&table, "%-60s %7s %6s  %s\n", "planted", "seeds", "first", "found by")
	for _, bug := range Bugs() {
		failing, first := 0, uint64(0)
		by := map[string]int{}
		each(n, bug, func(seed uint64, r Report) bool {
			if len(r.Violations) > 0 {
				failing++
				if first == 0 || seed < first {
					first = seed
				}
				by[r.Violations[0].Invariant]++
			}
			return failing == 0 || !testing.Short() // short: until it is found
		})
		fmt.Fprintf(&table, "%-60s %3d/%3d %6d  %v\n", bug, failing, n, first, by)
		if failing == 0 {
			t.Errorf("bug %q: no seed of %d found it", bug, n)
		}
	}
	t.Log("\n" + table.String())
}
