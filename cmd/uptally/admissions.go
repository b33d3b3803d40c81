package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os/user"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/ledger"
	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/server"
)

// agentCommands are what people do about agents at a server: let one in, see who is, throw one out.
func agentCommands(s streams) []*cobra.Command {
	return []*cobra.Command{serverTokenCommand(s), serverAgentsCommand(s), serverRevokeCommand(s)}
}

func serverTokenCommand(s streams) *cobra.Command {
	var (
		config, site, by string
		life             time.Duration
		proxy            bool
	)
	c := &cobra.Command{
		Use:   "token --site SITE",
		Short: "print a join token, with which `uptally enrol` makes one agent of that site",
		Long: "token prints a token of 256 random bits. It is good for one agent of that site, for an hour unless told otherwise, and shown this\n" +
			"once: the ledger keeps its digest.",
		Example: "  uptally server token --site fra1 > token",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			if by, err = person(by); err != nil {
				return err
			}
			var authority []byte
			if !proxy && !cfg.Agents.BehindProxy {
				a, err := server.OpenAuthority(cfg.Data)
				if err != nil {
					return err
				}
				authority = a.Fingerprint()
			}
			token, err := server.NewToken(c.Context(), registry{cfg}, site, authority, life, by, time.Now())
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(cfg.Checks, func(c configs.Check) bool { return c.Plan.Rank(site) >= 0 }) {
				fmt.Fprintf(s.err, "uptally: no check of %s names site %q: an agent of it has nothing to measure\n", config, site)
			}
			_, err = fmt.Fprintln(s.out, token.Reveal())
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&site, "site", "", "the site of the agent, as checks name it")
	f.DurationVar(&life, "life", time.Hour, "how long the token is good, at most 24h")
	f.BoolVar(&proxy, "behind-proxy", false, "a proxy ends TLS before the server, as agents.behind_proxy says: the agent gets a bearer token, and trusts the proxy's certificate")
	f.StringVar(&by, "by", "", "who lets the agent in (default: the user of this machine)")
	c.MarkFlagRequired("site")
	return c
}

func serverRevokeCommand(s streams) *cobra.Command {
	var config, by, why string
	var unknown bool
	c := &cobra.Command{
		Use:     "revoke AGENT --why TEXT",
		Short:   "end an agent's right to deliver and to read plans, at once and for good",
		Example: "  uptally server revoke 0123456789abcdef --why \"machine stolen\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var id delivery.ID
			if err := id.UnmarshalText([]byte(args[0])); err != nil {
				return usageError{fmt.Errorf("read agent: %w", err)}
			}
			cfg, err := configs.Load(config)
			if err != nil {
				return printProblems(s, err)
			}
			if by, err = person(by); err != nil {
				return err
			}
			revoke := server.Revoke
			if unknown {
				revoke = server.RevokeUnknown
			}
			if err := revoke(c.Context(), registry{cfg}, uint64(id), by, why, time.Now()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.out, "agent %v revoked, by %s: %s\n", id, by, why)
			return err
		},
	}
	f := c.Flags()
	f.StringVarP(&config, "config", "c", "uptally.yaml", "the installation")
	f.StringVar(&why, "why", "", "the reason, which stays on record")
	f.StringVar(&by, "by", "", "who revokes (default: the user of this machine)")
	f.BoolVar(&unknown, "unknown", false, "the ledger does not know the agent: it was enrolled after the backup from which the ledger was restored")
	c.MarkFlagRequired("why")
	return c
}

// enrolled is a line of `uptally server agents`.
type enrolled struct {
	Agent delivery.ID `json:"agent"`
	Site  string      `json:"site"`
	// EnrolledAt is in milliseconds UTC, 0 for an agent of which only the revocation is known; RevokedAt is 0 for one that was not revoked.
	EnrolledAt int64  `json:"enrolled_at_ms"`
	RevokedAt  int64  `json:"revoked_at_ms,omitempty"`
	Why        string `json:"why,omitempty"`
}

func serverAgentsCommand(s streams) *cobra.Command {
	var p ledgerPlace
	c := &cobra.Command{
		Use:   "agents",
		Short: "list the agents that were ever enrolled",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			cfg, err := p.installation(s)
			if err != nil {
				return err
			}
			all, err := registry{cfg}.all(c.Context())
			if err != nil {
				return err
			}
			list := []enrolled{}
			for _, a := range all {
				switch {
				case a.Kind == ledger.Enrolled:
					list = append(list, enrolled{Agent: delivery.ID(a.Agent), Site: a.Site, EnrolledAt: a.At})
				case a.Kind == ledger.Revoked && len(a.Digest) == 0:
					if n := len(list); n == 0 || list[n-1].Agent != delivery.ID(a.Agent) { // of one agent "enrolled" comes before "revoked"
						list = append(list, enrolled{Agent: delivery.ID(a.Agent)})
					}
					l := &list[len(list)-1]
					l.RevokedAt, l.Why = a.At, a.Why
				}
			}
			return p.print(s.out, list, func(w io.Writer) {
				for _, e := range list {
					since := "unknown"
					if e.EnrolledAt != 0 {
						since = "enrolled " + instantText(e.EnrolledAt)
					}
					fmt.Fprintf(w, "%v  %-12s %s", e.Agent, e.Site, since)
					if e.RevokedAt != 0 {
						fmt.Fprintf(w, ", revoked %s: %s", instantText(e.RevokedAt), e.Why)
					}
					fmt.Fprintln(w)
				}
			})
		},
	}
	c.Flags().StringVarP(&p.config, "config", "c", "uptally.yaml", "the installation")
	p.outputFlags(c)
	return c
}

// person names who does something.
func person(by string) (string, error) {
	if by != "" {
		return by, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("name who does it: %w; give --by", err)
	}
	return u.Username, nil
}

// registry is the admissions of an installation: written through the running process where there is one, read beside it.
type registry struct{ cfg *configs.Config }

// Admit records facts.
func (r registry) Admit(ctx context.Context, as ...ledger.Admission) error {
	if !inDatabase(r.cfg) {
		socket := controlSocket(r.cfg.Data)
		err := postControl(ctx, socket, "admissions", as, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("record admission through %q: %w", socket, err)
		}
	}
	store, err := openLedger(ctx, r.cfg)
	if err != nil {
		return err
	}
	a, ok := store.(ledger.Admitter)
	if !ok {
		panic(fmt.Sprintf("BUG: %T admits nobody", store))
	}
	return errors.Join(a.Admit(ctx, as...), store.Close())
}

// Admissions reads what was recorded of an agent.
func (r registry) Admissions(ctx context.Context, agent uint64) (as []ledger.Admission, err error) {
	err = r.read(ctx, func(a ledger.Admitter) error {
		as, err = a.Admissions(ctx, agent)
		return err
	})
	return as, err
}

func (r registry) all(ctx context.Context) (as []ledger.Admission, err error) {
	err = r.read(ctx, func(a ledger.Admitter) error {
		as, err = ledger.AllAdmissions(ctx, a)
		return err
	})
	return as, err
}

func (r registry) read(ctx context.Context, f func(ledger.Admitter) error) error {
	store, err := readLedger(ctx, r.cfg)
	if err != nil {
		return err
	}
	a, ok := store.(ledger.Admitter)
	if !ok {
		panic(fmt.Sprintf("BUG: %T admits nobody", store))
	}
	return errors.Join(f(a), store.Close())
}

// serveAdmissions lets the running process record admissions. Who may write to its folder decides which.
func serveAdmissions(mux *http.ServeMux, store ledger.Store) {
	mux.HandleFunc("POST /admissions", func(w http.ResponseWriter, r *http.Request) {
		var as []ledger.Admission
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEntry)).Decode(&as); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, ok := store.(ledger.Admitter)
		if !ok {
			panic(fmt.Sprintf("BUG: %T admits nobody", store))
		}
		if err := a.Admit(r.Context(), as...); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
