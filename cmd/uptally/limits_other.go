//go:build !linux

package main

// mostFiles and mostMemory are not known here.
func mostFiles() int64  { return 0 }
func mostMemory() int64 { return 0 }

func noCoreDumps() {}
