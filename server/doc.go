// Package server is the agents' other end: it takes batches in and gives plans out. The ledger only stores; what may be
// counted is decided here.
package server
