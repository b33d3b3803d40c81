package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger"
)

// maxPlans and maxBatches are the most that is taken at once, in bytes of JSON.
const (
	maxPlans   = 16 << 20
	maxBatches = 8 << 20
)

// serveImports takes the plans and batches of imports, and no others: what this process measures goes another way.
func serveImports(mux *http.ServeMux, store ledger.Store) {
	mux.HandleFunc("POST /alive", take(maxEntry, func(context.Context, any) error { return nil }))
	mux.HandleFunc("POST /plans", take(maxPlans, func(ctx context.Context, ps []uptally.Plan) error {
		for _, p := range ps {
			if problems := p.Validate(); len(problems) > 0 || !p.Imported {
				return fmt.Errorf("add plan of check %q: want an imported one without problems, got %v", p.Check, problems)
			}
		}
		return store.AddPlans(ctx, ps...)
	}))
	mux.HandleFunc("POST /batches", take(maxBatches, func(ctx context.Context, batches [][]byte) error {
		return appendImported(ctx, store, batches)
	}))
}

// take hands a request of at most so many bytes of JSON to f.
func take[T any](most int64, f func(context.Context, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked T
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(&asked)
		if err == nil {
			err = f(r.Context(), asked)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}
