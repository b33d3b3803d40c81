package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger/history"
)

// csvImport is the command line of `uptally import csv`.
type csvImport struct {
	importing
	changeLog bool
	every     uptally.Duration
	until     string
}

func importCSVCommand(s streams) *cobra.Command {
	var i csvImport
	c := &cobra.Command{
		Use:   "csv FILE…",
		Short: "store recorded results, or a log of changes, as evidence of their own",
		Long: "Reads the files that uptally evaluate --results reads: check,site,at,outcome,response_us,detail, or what uptally export results wrote.\n" +
			"With --change-log a row's state holds until the next row of its check and site.",
		Example: "  uptally import csv october.csv\n" +
			"  uptally import csv status.csv --change-log --every 60s --until 2026-11-01T00:00:00Z",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error { return i.run(c, s, files) },
	}
	i.flags(c)
	f := c.Flags()
	f.BoolVar(&i.changeLog, "change-log", false, "a state holds until the next row; it becomes one result each --every, up to --until")
	f.TextVar(&i.every, "every", uptally.Duration(0), "the spacing of the results that a log of changes becomes, such as 60s")
	f.StringVar(&i.until, "until", "", "the instant up to which the last state of a log of changes held, RFC 3339")
	c.MarkFlagsRequiredTogether("change-log", "every", "until")
	return c
}

func (i *csvImport) run(c *cobra.Command, s streams, files []string) error {
	cfg, err := i.load()
	if err != nil {
		return printProblems(s, err)
	}
	from, err := i.source(files)
	if err != nil {
		return err
	}
	records, err := loadRecords(files)
	if err != nil {
		return printProblems(s, err)
	}
	b := history.NewBuilder(history.AgentOf(from.kind, from.name, from.query), i.terms)
	if i.changeLog {
		err = i.expand(cfg, records, b)
	} else {
		err = addDays(cfg, records, b)
	}
	if err != nil {
		return fmt.Errorf("import %q: %w", from.name, err)
	}
	im, err := b.Done()
	if err != nil {
		return fmt.Errorf("import %q: %w", from.name, err)
	}
	return i.store(c.Context(), s, cfg, im, from)
}

// source names the files, and the way they were read where it is not the plain one.
func (i *csvImport) source(files []string) (source, error) {
	sum := sha256.New()
	var names []string
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return source{}, fmt.Errorf("import: %w", err)
		}
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return source{}, fmt.Errorf("import %q: %w", file, err)
		}
		names = append(names, filepath.Base(file))
	}
	from := source{kind: agreements.ImportCSV, name: strings.Join(names, ", "), sha256: hex.EncodeToString(sum.Sum(nil))}
	if i.changeLog {
		from.query = fmt.Sprintf("changes, one result every %s until %s", i.every, i.until)
	}
	return from, nil
}

// loadRecords joins the series of all files.
func loadRecords(files []string) ([]configs.Records, error) {
	var all []configs.Records
	place := map[[2]string]int{}
	for _, file := range files {
		records, err := configs.LoadRecords(file)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			k, seen := place[[2]string{r.Check, r.Site}]
			if !seen {
				place[[2]string{r.Check, r.Site}] = len(all)
				all = append(all, r)
				continue
			}
			all[k].Results = append(all[k].Results, r.Results...)
			slices.SortFunc(all[k].Results, uptally.Result.Compare)
		}
	}
	return all, nil
}

// addDays hands over results day by day.
func addDays(cfg *configs.Config, records []configs.Records, b *history.Builder) error {
	byDay := map[int32][]history.Series{}
	for _, r := range records {
		kind, target := whatIs(cfg, r.Check)
		for rs := r.Results; len(rs) > 0; {
			day, n := uptally.DayOf(rs[0].At), 1
			for n < len(rs) && uptally.DayOf(rs[n].At) == day {
				n++
			}
			byDay[day] = append(byDay[day], history.Series{Check: r.Check, Site: r.Site, Kind: kind, Target: target, Results: rs[:n:n]})
			rs = rs[n:]
		}
	}
	for _, day := range sortedDays(byDay) {
		if err := b.Add(day, byDay[day]); err != nil {
			return err
		}
	}
	return nil
}

func sortedDays[V any](m map[int32]V) []int32 {
	days := make([]int32, 0, len(m))
	for d := range m {
		days = append(days, d)
	}
	slices.Sort(days)
	return days
}

// expand hands over what a log of changes becomes.
func (i *csvImport) expand(cfg *configs.Config, records []configs.Records, b *history.Builder) error {
	until, err := parseInstant("--until", i.until)
	if err != nil {
		return err
	}
	var logs []history.Changes
	for _, r := range records {
		l := history.Changes{Check: r.Check, Site: r.Site}
		l.Kind, l.Target = whatIs(cfg, r.Check)
		for k, c := range r.Results {
			if k > 0 && r.Results[k-1].At == c.At {
				return fmt.Errorf("read changes: got two rows of check %q at site %q at %s, want one", r.Check, r.Site, instantText(c.At))
			}
			l.Changes = append(l.Changes, history.Change{At: c.At, Reason: c.Reason, RTT: c.RTT, Detail: c.Detail})
		}
		logs = append(logs, l)
	}
	return history.Expand(logs, int64(i.every), until, b.Add)
}

// whatIs is what a plan of imported results says of the check: what the installation measures under its name, or only the name.
func whatIs(cfg *configs.Config, check string) (kind, target string) {
	for _, c := range cfg.Checks {
		if c.Plan.Check == check {
			return c.Plan.Kind, c.Plan.Target
		}
	}
	return "imported", check
}
