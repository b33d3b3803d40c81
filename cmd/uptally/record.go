package main

import (
	"fmt"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
)

// recording is the command line of `uptally record KIND`.
type recording struct {
	config, from, to, announced, by string
	agreements.EntryText
}

func recordCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "record",
		Short: "append a dated entry: planned maintenance, an excluded cause, the cause of an outage",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("record: want maintenance, exclusion or cause")}
		},
	}
	c.AddCommand(
		recordKind(s, agreements.KindMaintenance, "planned work: what qualifies under an agreement leaves its figure"),
		recordKind(s, agreements.KindExclusion, "a cause that an agreement accepts, such as force majeure"),
		recordKind(s, agreements.KindCause, "what caused an outage; information, no arithmetic"),
	)
	return c
}

func recordKind(s streams, kind, short string) *cobra.Command {
	var r recording
	c := &cobra.Command{
		Use:   kind + " --from A --to B",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.Load(r.config)
			if err != nil {
				return printProblems(s, err)
			}
			e, err := r.entry(kind, cfg, time.Now().UnixMilli())
			if err != nil {
				return err
			}
			id, err := recordEntry(c.Context(), cfg.Data, e)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "entry %d: %s from %s to %s, recorded by %s\n", id, kind, r.from, r.to, e.By)
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&r.config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&r.from, "from", "", "start, RFC 3339, such as 2026-12-05T22:00:00+08:00")
	f.StringVar(&r.to, "to", "", "end, RFC 3339")
	f.StringVar(&r.announced, "announced", "", "when the customer was told, RFC 3339 (default: now)")
	f.StringVar(&r.by, "by", "", "who records it (default: the login name)")
	f.StringVar(&r.Agreement, "agreement", "", "only this agreement (default: all)")
	f.StringArrayVar(&r.Services, "service", nil, "only this service; may be given several times (default: all)")
	f.StringVar(&r.Reason, "reason", "", "why, in words")
	if kind != agreements.KindMaintenance {
		f.StringVar(&r.Cause, "cause", "", "the cause, in the words of the agreement")
	}
	c.MarkFlagRequired("from")
	c.MarkFlagRequired("to")
	return c
}

// entry checks the words against the installation and makes the entry.
func (r *recording) entry(kind string, cfg *configs.Config, now int64) (uptally.Entry, error) {
	var err error
	if r.From, err = parseInstant("--from", r.from); err != nil {
		return uptally.Entry{}, err
	}
	if r.To, err = parseInstant("--to", r.to); err != nil {
		return uptally.Entry{}, err
	}
	if r.announced != "" {
		if r.Announced, err = parseInstant("--announced", r.announced); err != nil {
			return uptally.Entry{}, err
		}
	}
	if r.Announced > now {
		return uptally.Entry{}, usageError{fmt.Errorf("read --announced: got %q, want an instant that is past", r.announced)}
	}
	if r.Agreement != "" {
		if _, err := agreementOf(cfg, r.Agreement); err != nil {
			return uptally.Entry{}, err
		}
	}
	for _, name := range r.Services {
		if !slices.ContainsFunc(cfg.Services, func(s configs.Service) bool { return s.Name == name }) {
			return uptally.Entry{}, fmt.Errorf("find service %q in %q: got no such service", name, cfg.Path)
		}
	}
	if r.by == "" {
		u, err := user.Current()
		if err != nil {
			return uptally.Entry{}, fmt.Errorf("name who records: %w; give --by", err)
		}
		r.by = u.Username
	}
	e := uptally.Entry{RecordedAt: now, By: r.by, Kind: kind, Data: agreements.EncodeEntry(r.EntryText)}
	if _, err := agreements.DecodeEntry(e); err != nil {
		return uptally.Entry{}, usageError{err}
	}
	return e, nil
}

func parseInstant(flag, text string) (int64, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, usageError{fmt.Errorf("read %s: got %q, want an instant with its offset, such as 2026-12-05T22:00:00+08:00", flag, text)}
	}
	return t.UnixMilli(), nil
}
