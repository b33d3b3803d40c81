package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

// evaluation is the command line of `uptally evaluate`.
type evaluation struct {
	agreement, timeline, results, counts, config, facts, period, asKnown string
	rendering
}

func evaluateCommand(s streams) *cobra.Command {
	var e evaluation
	c := &cobra.Command{
		Use:   "evaluate -a AGREEMENT.yaml (--timeline F.csv | --results F.csv -c uptally.yaml | --counts F.csv) --period P",
		Short: "compute a statement from files alone: no server, no ledger",
		Example: "  uptally evaluate -a acme.yaml --timeline outages.csv --period 2026-10\n" +
			"  uptally evaluate -a acme.yaml --results results.csv -c uptally.yaml --facts facts.yaml --period 2026-10 --format html -o october.html",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return e.run(s) },
	}
	f := c.Flags()
	f.StringVarP(&e.agreement, "agreement", "a", "", "the agreement file")
	f.StringVar(&e.timeline, "timeline", "", "CSV with the header service,site,state,from,to")
	f.StringVar(&e.results, "results", "", "CSV with the header check,site,at,outcome,response_us,detail, or as uptally export results writes it")
	f.StringVar(&e.counts, "counts", "", "CSV with the header service,from,to,requests,errors, alone or beside the other two")
	f.StringVarP(&e.config, "config", "c", "", "the installation whose checks and services the results belong to")
	f.StringVar(&e.facts, "facts", "", "maintenance, exclusions and causes, as YAML")
	f.StringVar(&e.asKnown, "as-known", "", "apply only facts recorded up to this RFC 3339 instant")
	f.StringVar(&e.period, "period", "", "2026-10, 2026-Q4, 2026, a day such as 2026-10-15 for the agreement's period around it, or two instants A/B")
	e.flags(c)
	return c
}

func (e *evaluation) run(s streams) error {
	if err := e.check(); err != nil {
		return err
	}
	if e.agreement == "" || e.period == "" || e.timeline != "" && e.results != "" || e.timeline+e.results+e.counts == "" || (e.results != "") != (e.config != "") {
		return usageError{fmt.Errorf("evaluate: want --agreement, --period, and either --timeline, or --results with --config, or --counts")}
	}
	a, err := configs.LoadAgreement(e.agreement)
	if err != nil {
		return printProblems(s, err)
	}
	period, err := a.ParsePeriod(e.period)
	if err != nil {
		return usageError{fmt.Errorf("read --period: %w", err)}
	}
	in := statements.Files{Agreement: &a, Period: period, PeriodText: e.period, Now: time.Now().UnixMilli(), ZoneData: zoneData()}
	if in.AsOf, err = known(e.asKnown, 0); err != nil {
		return err
	}
	if e.facts != "" {
		facts, err := configs.LoadFacts(e.facts)
		if err != nil {
			return printProblems(s, err)
		}
		for _, f := range facts {
			in.Entries = append(in.Entries, f.Entry)
		}
	}
	st, err := e.statement(in)
	if err != nil {
		return printProblems(s, err)
	}
	if e.format != "json" {
		return e.write(&st, s.out)
	}
	evaluated, err := st.Evaluation()
	if err != nil {
		return err
	}
	data, err := evaluated.JSON()
	if err != nil {
		return err
	}
	return e.put(data, s.out)
}

func (e *evaluation) statement(in statements.Files) (statements.Statement, error) {
	var err error
	if in.Evidence, err = digests(e.timeline, e.results, e.counts, e.facts); err != nil {
		return statements.Statement{}, err
	}
	if e.counts != "" {
		if in.Counts, err = configs.LoadCounts(e.counts); err != nil {
			return statements.Statement{}, err
		}
	}
	if e.timeline+e.results == "" {
		return statements.FromCounts(in)
	}
	if e.timeline != "" {
		timelines, err := configs.LoadTimeline(e.timeline)
		if err != nil {
			return statements.Statement{}, err
		}
		return statements.FromTimelines(in, timelines)
	}
	cfg, err := configs.Load(e.config)
	if err != nil {
		return statements.Statement{}, err
	}
	evidence, err := configs.LoadResults(e.results)
	if err != nil {
		return statements.Statement{}, err
	}
	return statements.FromResults(in, servicesOf(cfg), withPlans(evidence, cfg))
}

// withPlans gives each check of the installation its configured plan, in force since 1970, and the results of the file.
// Results of a check that the installation does not have are left out.
func withPlans(results []agreements.Evidence, cfg *configs.Config) []agreements.Evidence {
	byName := map[string]agreements.Evidence{}
	for _, r := range results {
		byName[r.Check] = r
	}
	out := make([]agreements.Evidence, 0, len(cfg.Checks))
	for _, c := range cfg.Checks {
		e := byName[c.Plan.Check]
		p := c.Plan
		p.From = 0
		e.Check, e.Plans = p.Check, []uptally.Plan{p}
		out = append(out, e)
	}
	return out
}

// digests names the files that a statement rests on.
func digests(paths ...string) ([]statements.File, error) {
	var files []statements.File
	for _, p := range paths {
		if p == "" {
			continue
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("read evidence: %w", err)
		}
		sum := sha256.Sum256(data)
		files = append(files, statements.File{Name: filepath.Base(p), SHA256: hex.EncodeToString(sum[:])})
	}
	return files, nil
}
