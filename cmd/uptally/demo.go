package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

//go:embed demo.yaml.tmpl
var demoInstallation string

//go:embed demo-agreement.yaml
var demoAgreement []byte

// demoInterval is how often the demo checks each service, as demo.yaml.tmpl says.
const demoInterval = time.Second

func demoCommand(s streams) *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "demo",
		Short: "a tour: little services on loopback fail on a script, are checked each second, and end up in a statement",
		Long: "demo needs no configuration, no network and no rights. Its script is over after " + demoLength.String() + "; then what was\n" +
			"measured is printed beside what the script did, and the pages stay up until the process is stopped.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return runDemo(ctx, s, listen)
		},
	}
	c.Flags().StringVar(&listen, "listen", configs.DefaultListen, "address of pages and metrics")
	return c
}

// runDemo starts the services and a house over them, plays the script, and prints the comparison.
func runDemo(ctx context.Context, s streams, listen string) (err error) {
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	dir, err := os.MkdirTemp("", "uptally-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	services, err := startDemoServices(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, services.close()) }()
	cfg, err := demoConfig(dir, listen, services)
	if err != nil {
		return err
	}
	// The checks run for a moment before the script starts, so that the period begins with known services.
	start := time.Now().Add(4 * time.Second).Truncate(time.Second)
	h := newHouse(cfg, log)
	h.figuresEvery = time.Second
	h.period = demoPeriod(start)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	played := make(chan error, 1)
	play := step{"script", func(context.Context) error {
		fmt.Fprintf(s.out, "Pages, metrics and a live statement: http://%s/\n\n", h.listener.Addr())
		printScript(s.out)
		go func() { played <- h.tour(ctx, s.out, start, services) }()
		return nil
	}, func(context.Context) error {
		cancel()
		if err := <-played; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}}
	return live(ctx, log, append(h.steps(), play), h.failed)
}

// demoConfig writes the demo's files as a user would, and loads them.
func demoConfig(dir, listen string, d *demoServices) (*configs.Config, error) {
	var b bytes.Buffer
	err := template.Must(template.New("demo").Parse(demoInstallation)).Execute(&b, map[string]string{
		"Data": "data", "Listen": listen, "Shop": d.shop.addr, "Mail": d.mail.addr, "Names": d.names.String(), "Address": demoAddress,
	})
	path := filepath.Join(dir, "uptally.yaml")
	if err == nil {
		err = errors.Join(os.WriteFile(path, b.Bytes(), 0o644), os.WriteFile(filepath.Join(dir, "agreement.yaml"), demoAgreement, 0o644))
	}
	if err != nil {
		return nil, fmt.Errorf("write the demo's files: %w", err)
	}
	return configs.Load(path)
}

// demoPeriod is the script's time as a period.
func demoPeriod(start time.Time) periodOf {
	at := agreements.Interval{From: start.UnixMilli(), To: start.Add(demoLength).UnixMilli()}
	text := start.UTC().Format(time.RFC3339) + "/" + start.Add(demoLength).UTC().Format(time.RFC3339)
	return func(*agreements.Agreement, int64) (string, agreements.Interval, error) { return text, at, nil }
}

// tour plays the script, waits for the last results and compares.
func (h *house) tour(ctx context.Context, out io.Writer, start time.Time, services *demoServices) error {
	if err := playScript(ctx, start, services.set); err != nil {
		return err
	}
	// What came just after the end decides its edge, and the figures are computed on a beat.
	settled := start.Add(demoLength + 6*time.Second)
	for {
		if err := sleepUntil(ctx, time.Now().Add(100*time.Millisecond)); err != nil {
			return err
		}
		st, err := h.figures.statement("demo")
		if err != nil || time.UnixMilli(int64(st.GeneratedAt)).Before(settled) {
			continue
		}
		if err := compareWithScript(out, st); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nThe statement: http://%s/statements/demo. Stop with Ctrl-C.\n", h.listener.Addr())
		<-ctx.Done()
		return ctx.Err()
	}
}

// compareWithScript prints what was measured beside the truth.
func compareWithScript(out io.Writer, st *statements.Statement) error {
	fmt.Fprintf(out, "%-7s %10s %10s %24s  %s\n", "service", "script", "measured", "bounds", "")
	for i := range st.Accounts {
		a := &st.Accounts[i]
		want, edges := truth(a.Service)
		point, low, high := time.Duration(a.Down.PointMS)*time.Millisecond, time.Duration(a.Down.CertainMS)*time.Millisecond, time.Duration(a.Down.PossibleMS)*time.Millisecond
		verdict := "inside the bounds"
		if want < low || want > high {
			verdict = "OUTSIDE the bounds"
		}
		if (point - want).Abs() > time.Duration(edges)*demoInterval {
			verdict += ", off by more than an interval an edge"
		}
		fmt.Fprintf(out, "%-7s %10s %10s %24s  %s\n", a.Service, want, point, low.String()+" to "+high.String(), verdict)
	}
	return nil
}
