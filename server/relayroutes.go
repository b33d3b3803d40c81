package server

import (
	"fmt"
	"net/http"

	"github.com/uptally/uptally/ledger/delivery"
)

func (a *Agents) serveTell(rq *call) error {
	var t delivery.Telling
	if err := decode(rq.body, &t); err != nil {
		return err
	}
	if n := len(t.Words); n > delivery.MaxWords {
		return refusal{http.StatusBadRequest, fmt.Sprintf("got %d words, want at most %d", n, delivery.MaxWords)}
	}
	writeJSON(rq.w, http.StatusOK, delivery.Told{Refused: a.o.Relay.Tell(rq.who.ID, rq.who.Site, t.Words)})
	return nil
}

// serveHear keeps the request until there is something to say.
func (a *Agents) serveHear(rq *call) error {
	var h delivery.Hearing
	if err := decode(rq.body, &h); err != nil {
		return err
	}
	heard, err := a.o.Relay.Hear(rq.ctx, rq.who.ID, rq.who.Site, h.Sites)
	if err == nil {
		err = rq.still()
	}
	if err != nil {
		return err
	}
	writeJSON(rq.w, http.StatusOK, heard)
	return nil
}
