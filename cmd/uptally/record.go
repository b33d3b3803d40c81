package main

import (
	"context"
	"fmt"
	"math"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
)

// recording is the command line of `uptally record KIND`.
type recording struct {
	config, from, to, announced, by string
	reported, opened, closed        string
	work                            workFile
	agreements.EntryText
}

func recordCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "record",
		Short: "append a dated entry: planned maintenance, an excluded cause, what people know of an outage, a correction",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("record: want maintenance, exclusion, cause, report, affected, in-service or withdrawal")}
		},
	}
	c.AddCommand(
		recordKind(s, agreements.KindMaintenance, "planned work: what qualifies under an agreement leaves its figure"),
		recordKind(s, agreements.KindExclusion, "a cause that an agreement accepts, such as force majeure"),
		recordKind(s, agreements.KindCause, "what caused an outage; information, no arithmetic"),
		recordKind(s, agreements.KindReport, "when the customer reported an outage, and its ticket's instants"),
		recordKind(s, agreements.KindAffected, "how many users, or what share of them, an outage hit"),
		recordKind(s, agreements.KindInService, "when a service was in use"),
		recordKind(s, agreements.KindWithdrawal, "take back an entry; it stays on record, and accounts as known before keep it"),
	)
	return c
}

func recordKind(s streams, kind, short string) *cobra.Command {
	var r recording
	c := &cobra.Command{
		Use:   strings.ReplaceAll(kind, "_", "-"),
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.Load(r.config)
			if err != nil {
				return printProblems(s, err)
			}
			if r.work.path != "" {
				return r.importWork(c.Context(), s, cfg, time.Now().UnixMilli())
			}
			e, err := r.entry(kind, cfg, time.Now().UnixMilli())
			if err != nil {
				return err
			}
			if r.Replaces != 0 {
				if err := replaceable(c.Context(), cfg, r.Replaces); err != nil {
					return err
				}
			}
			id, err := recordIn(c.Context(), cfg, e)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "entry %d: %s, recorded by %s\n", id, r.words(kind), e.By)
			return err
		},
	}
	r.flags(c, kind)
	return c
}

// flags are those that the kind has a use for.
func (r *recording) flags(c *cobra.Command, kind string) {
	f := c.Flags()
	f.StringVarP(&r.config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&r.by, "by", "", "who records it (default: the login name)")
	f.StringVar(&r.Agreement, "agreement", "", "only this agreement (default: all)")
	f.StringVar(&r.Reason, "reason", "", "why, in words")
	f.Int64Var(&r.Replaces, "replaces", 0, "the number of the entry that this one replaces")
	if kind == agreements.KindWithdrawal {
		c.MarkFlagRequired("replaces")
		return
	}
	f.StringVar(&r.from, "from", "", "start, RFC 3339, such as 2026-12-05T22:00:00+08:00")
	f.StringVar(&r.to, "to", "", "end, RFC 3339")
	f.StringArrayVar(&r.Services, "service", nil, "only this service; may be given several times (default: all)")
	switch kind {
	case agreements.KindMaintenance:
		r.work.flags(c)
		f.StringVar(&r.Class, "class", "", "the class of the work, such as emergency (default: ordinary)")
	case agreements.KindExclusion:
		f.StringVar(&r.AcceptedBy, "accepted-by", "", "who accepted it for the customer")
	case agreements.KindReport:
		f.StringVar(&r.reported, "reported", "", "when the customer reported the outage, RFC 3339")
		f.StringVar(&r.opened, "opened", "", "when the ticket was opened, RFC 3339")
		f.StringVar(&r.closed, "closed", "", "when the ticket was closed, RFC 3339")
	case agreements.KindAffected:
		f.Int64Var(&r.Users, "users", 0, "how many users were hit")
		f.StringVar(&r.Share, "share", "", "what share of them was hit, such as 25%")
	}
	if kind == agreements.KindMaintenance || kind == agreements.KindExclusion || kind == agreements.KindCause {
		f.StringVar(&r.announced, "announced", "", "when the customer was told, RFC 3339 (default: now)")
	}
	if kind == agreements.KindExclusion || kind == agreements.KindCause {
		f.StringVar(&r.Cause, "cause", "", "the cause, in the words of the agreement")
	}
	if kind != agreements.KindMaintenance && kind != agreements.KindInService {
		f.StringVar(&r.Evidence, "evidence", "", "what proves it, such as a ticket")
	}
	switch kind {
	case agreements.KindReport, agreements.KindInService:
	case agreements.KindMaintenance:
		c.MarkFlagsOneRequired("from", "ical")
		c.MarkFlagsOneRequired("to", "ical")
	default:
		c.MarkFlagRequired("from")
		c.MarkFlagRequired("to")
	}
}

// words says what was recorded.
func (r *recording) words(kind string) string {
	text := kind
	if r.from != "" {
		text += " from " + r.from
	}
	if r.to != "" {
		text += " to " + r.to
	}
	if r.Replaces != 0 {
		text += fmt.Sprintf(", replaces entry %d", r.Replaces)
	}
	return text
}

// entry checks the words against the installation and makes the entry.
func (r *recording) entry(kind string, cfg *configs.Config, now int64) (uptally.Entry, error) {
	for _, f := range []struct {
		name, text string
		at         *int64
	}{
		{"--from", r.from, &r.From}, {"--to", r.to, &r.To}, {"--announced", r.announced, &r.Announced},
		{"--reported", r.reported, &r.Reported}, {"--opened", r.opened, &r.Opened}, {"--closed", r.closed, &r.Closed},
	} {
		if f.text == "" {
			continue
		}
		var err error
		if *f.at, err = parseInstant(f.name, f.text); err != nil {
			return uptally.Entry{}, err
		}
	}
	r.Complete(kind)
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

// replaceable wants an entry that is there and that no other replaces: two corrections of one entry would both hold.
func replaceable(ctx context.Context, cfg *configs.Config, id int64) error {
	store, err := readLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	entries, err := store.Entries(ctx, math.MaxInt64)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		r, err := agreements.DecodeEntry(e)
		if err == nil && r.Replaces == id {
			return fmt.Errorf("replace entry %d: got entry %d that replaces it already, want the number of that one", id, e.ID)
		}
		if e.ID == id && e.Kind == agreements.KindImport {
			return fmt.Errorf("replace entry %d: got an import: what it stored stays, and statements name it", id)
		}
		found = found || e.ID == id
	}
	if !found {
		return fmt.Errorf("replace entry %d: got no such entry in %q", id, cfg.Path)
	}
	return nil
}
