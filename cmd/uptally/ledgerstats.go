package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
)

// ledgerStats is the answer of `uptally ledger stats`.
type ledgerStats struct {
	Engine string `json:"engine"`
	Bytes  int64  `json:"bytes"`
	// Oldest and Newest are dates, empty where there are no results.
	Oldest  string         `json:"oldest,omitempty"`
	Newest  string         `json:"newest,omitempty"`
	Checks  int            `json:"checks"`
	Sites   int            `json:"sites"`
	Series  int            `json:"series"`
	Days    int            `json:"site_days"`
	Results map[string]int `json:"results"`
	Batches int            `json:"batches"`
	Held    int            `json:"held"`
	// Unsealed are the site days that want sealing, LateChanges the days of series that late results changed.
	Unsealed    []unsealedDay      `json:"unsealed"`
	LateChanges int                `json:"late_changes"`
	Drops       []droppedDays      `json:"drops"`
	Tables      []ledger.TableSize `json:"tables"`
	Backup      *ledger.Backup     `json:"backup"`
	total       int
	now         int64
}

type unsealedDay struct {
	Date    string `json:"date"`
	Site    string `json:"site"`
	Batches int    `json:"batches"`
	Results int    `json:"results"`
}

type droppedDays struct {
	Before     string `json:"before"`
	BodiesOnly bool   `json:"bodies_only"`
	At         int64  `json:"at_ms"`
	By         string `json:"by"`
	Why        string `json:"why"`
}

func ledgerStatsCommand(s streams) *cobra.Command {
	var p ledgerPlace
	c := &cobra.Command{
		Use:   "stats",
		Short: "what the ledger holds and what it weighs, also beside a running process",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			store, cfg, err := p.open(c.Context(), s)
			if err != nil {
				return err
			}
			defer store.Close()
			st, err := statsOf(c.Context(), store, cfg)
			if err != nil {
				return err
			}
			return p.print(s.out, st, st.text)
		},
	}
	p.flags(c)
	return c
}

func statsOf(ctx context.Context, store evidence, cfg *configs.Config) (*ledgerStats, error) {
	v, err := ledger.TakeSurvey(ctx, store)
	if err != nil {
		return nil, err
	}
	sites, err := namesByID(ctx, store, "site")
	if err != nil {
		return nil, err
	}
	st := &ledgerStats{
		Engine: "SQLite", Checks: v.Checks, Sites: v.Sites, Series: v.Series, Days: v.Days, Results: map[string]int{},
		Batches: v.Batches, Held: v.Held, LateChanges: v.Reseals, total: v.Total(), now: time.Now().UnixMilli(),
		Unsealed: []unsealedDay{}, Drops: []droppedDays{},
	}
	if v.Days > 0 {
		st.Oldest, st.Newest = dateOf(v.Oldest), dateOf(v.Newest)
	}
	for o, n := range v.Results {
		if o > 0 {
			st.Results[uptally.Outcome(o).String()] = n
		}
	}
	for _, o := range v.Open {
		st.Unsealed = append(st.Unsealed, unsealedDay{dateOf(o.Day), nameOr(sites, o.Site), o.Batches, o.Results})
	}
	for _, d := range v.Drops {
		st.Drops = append(st.Drops, droppedDays{dateOf(d.Before), d.BodiesOnly, d.At, d.By, d.Why})
	}
	if st.Tables, err = store.Tables(ctx); err != nil {
		return nil, err
	}
	for _, t := range st.Tables {
		st.Bytes += t.Bytes
	}
	if inDatabase(cfg) {
		st.Engine = "PostgreSQL"
		return st, nil
	}
	b, found, err := ledger.LastBackup(cfg.Data)
	if found {
		st.Backup = &b
	}
	return st, err
}

// nameOr is the name of an ID, or the ID itself.
func nameOr(names map[uptally.ID]string, id uptally.ID) string {
	if name, known := names[id]; known {
		return name
	}
	return id.String()
}

func (st *ledgerStats) text(w io.Writer) {
	row := func(label, format string, args ...any) {
		fmt.Fprintf(w, "%-15s %s\n", label, fmt.Sprintf(format, args...))
	}
	row("Engine", "%s, %s bytes", st.Engine, grouped(st.Bytes))
	if st.Oldest == "" {
		row("Days", "none yet")
	} else {
		row("Days", "%s to %s, %s", st.Oldest, st.Newest, counting(st.Days, "day of a site", "days of a site"))
	}
	row("Series", "%s: %s at %s", grouped(st.Series), counting(st.Checks, "check", "checks"), counting(st.Sites, "site", "sites"))
	var outcomes []string
	for o := uptally.Up; o <= uptally.Unknown; o++ {
		if n := st.Results[o.String()]; n > 0 {
			outcomes = append(outcomes, grouped(n)+" "+o.String())
		}
	}
	row("Results", "%s", strings.Join(append([]string{grouped(st.total)}, outcomes...), ", "))
	if st.total > 0 {
		row("", "%s bytes a result, with all that lies beside them", tenths(st.Bytes*10/int64(st.total)))
	}
	row("Log", "%s, %s held", counting(st.Batches, "batch", "batches"), grouped(st.Held))
	for i, o := range st.Unsealed {
		label := ""
		if i == 0 {
			label = "Not sealed"
		}
		row(label, "%s at %s: %s in %s", o.Date, o.Site, counting(o.Results, "result", "results"), counting(o.Batches, "batch", "batches"))
	}
	row("Late changes", "%s", counting(st.LateChanges, "day of a series", "days of series"))
	for _, d := range st.Drops {
		what := "days"
		if d.BodiesOnly {
			what = "response times"
		}
		row("Dropped", "%s before %s, by %s at %s: %s", what, d.Before, d.By, instantOf(d.At), d.Why)
	}
	if b := st.Backup; st.Engine == "PostgreSQL" {
		row("Backup", "the database's own")
	} else if b != nil {
		row("Backup", "checked, of %s (%s ago), %s bytes: %s", instantOf(b.At), ago(st.now-b.At), grouped(b.Bytes), b.File)
	} else {
		row("Backup", "none that was checked")
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%-15s %12s %15s %6s\n", "Table", "rows", "bytes", "share")
	for _, t := range st.Tables {
		fmt.Fprintf(w, "%-15s %12s %15s %5s%%\n", t.Name, grouped(t.Rows), grouped(t.Bytes), tenths(t.Bytes*1000/max(st.Bytes, 1)))
	}
}

// tenths is n tenths as decimal text.
func tenths(n int64) string { return fmt.Sprintf("%d.%d", n/10, n%10) }

// ago is a span in its two largest words, cut off.
func ago(ms int64) string {
	d := time.Duration(max(ms, 0)) * time.Millisecond
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
}
