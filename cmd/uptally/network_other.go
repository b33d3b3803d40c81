//go:build !linux

package main

// hasRoutes reports whether this system tells its routes.
func hasRoutes() bool { return false }

func defaultGateway() string { return "" }

// resolvesHere reports whether all of the machine's name servers are its own, which is not known here.
func resolvesHere() bool { return true }
