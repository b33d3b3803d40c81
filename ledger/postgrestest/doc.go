// Package postgrestest starts real PostgreSQL servers for tests: one of their own, or three that Patroni keeps in step. Their
// programs are Debian's; they are children of the test, listen on loopback or in a folder only, and end with it.
package postgrestest
