package main

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/uptally/uptally/agreements"
	"github.com/uptally/uptally/exporter"
	"github.com/uptally/uptally/statements"
)

// contentTypes of a statement by format.
var contentTypes = map[string]string{
	"html": "text/html; charset=utf-8",
	"json": "application/json",
	"text": "text/plain; charset=utf-8",
}

// routes is everything the process answers. Nothing here changes anything; entries come through the control socket.
func (h *house) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.serveIndex)
	mux.HandleFunc("GET /statements/{agreement}", h.serveStatement)
	mux.HandleFunc("GET /statements/{agreement}/{period}", h.serveStatement)
	mux.HandleFunc("GET /schema/statement.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/schema+json")
		w.Write(statements.Schema)
	})
	mux.Handle("GET /metrics", h.metrics.Handler())
	mux.Handle("GET /healthz", exporter.Healthz())
	mux.Handle("GET /readyz", exporter.Readyz(h.health))
	return http.MaxBytesHandler(hardened(mux), 0)
}

// hardened sets the headers that every page wants.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", statements.ContentSecurityPolicy())
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (h *house) serveIndex(w http.ResponseWriter, _ *http.Request) {
	index := statements.Index{
		Now:   time.Now().UnixMilli(),
		Links: []statements.Link{{Name: "metrics", Href: "/metrics"}, {Name: "readiness", Href: "/readyz"}, {Name: "schema of the JSON", Href: "/schema/statement.json"}},
	}
	index.Services, index.Checks = h.indexStates(h.cfg(), index.Now)
	index.Agents = h.indexAgents(index.Now)
	for i := range h.cfg().Agreements {
		index.Agreements = append(index.Agreements, h.figures.index(h.cfg().Agreements[i].Name))
	}
	var b bytes.Buffer
	if err := statements.RenderIndex(&b, index); err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", contentTypes["html"])
	w.Write(b.Bytes())
}

// serveStatement answers with the newest figures of the running period, or computes those of another.
func (h *house) serveStatement(w http.ResponseWriter, r *http.Request) {
	format := r.FormValue("format")
	if format == "" {
		format = "html"
	}
	if contentTypes[format] == "" {
		http.Error(w, "got format "+format+", want html, json or text", http.StatusBadRequest)
		return
	}
	st, err := h.statement(r)
	var terms *agreements.TermsError
	var usage usageError
	switch {
	case errors.Is(err, errNoAgreement):
		http.NotFound(w, r)
		return
	case errors.As(err, &terms), errors.As(err, &usage):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		h.fail(w, err)
		return
	}
	var b bytes.Buffer
	if err := renderStatement(&b, st, format); err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", contentTypes[format])
	w.Write(b.Bytes())
}

var errNoAgreement = errors.New("no such agreement")

func (h *house) statement(r *http.Request) (*statements.Statement, error) {
	name, period := r.PathValue("agreement"), r.PathValue("period")
	if _, err := agreementOf(h.cfg(), name); err != nil {
		return nil, errNoAgreement
	}
	if period == "" {
		return h.figures.statement(name)
	}
	req, err := request(h.cfg(), name, period, "", time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	req.Ledger = h.store
	h.computing.Lock() // one at a time: a curious reader must not starve the probes
	defer h.computing.Unlock()
	st, err := statements.Compute(r.Context(), req)
	return &st, err
}

// fail logs what went wrong inside and says only that something did.
func (h *house) fail(w http.ResponseWriter, err error) {
	h.log.Error("page not served", "err", err)
	http.Error(w, "this page could not be made; the log says why", http.StatusInternalServerError)
}

func (h *house) health() exporter.Health {
	now := time.Now().UnixMilli()
	health := exporter.Health{At: now, LedgerOpen: true, LastAppend: h.startedAt}
	if h.site == nil {
		health.SchedulerRunning = true // it has none
		return health
	}
	for _, c := range h.cfg().Checks {
		health.Within = max(health.Within, time.Duration(c.Plan.Gap+c.Plan.Timeout)*time.Millisecond+time.Minute)
	}
	if a := h.site.running.Load(); a != nil {
		health.SchedulerRunning = true
		if last := a.Stats().LastAppend; !last.IsZero() {
			health.LastAppend = last.UnixMilli()
		}
	}
	return health
}
