package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/uptally/uptally/configs"
)

// printProblems prints the problems of files, one a line, and leaves the exit code; any other error passes.
func printProblems(s streams, err error) error {
	var problems *configs.ProblemsError
	if errors.As(err, &problems) {
		fmt.Fprintln(s.err, problems)
		return errProblems
	}
	return err
}

// servicesOf returns the checks of every service.
func servicesOf(cfg *configs.Config) map[string][]string {
	m := make(map[string][]string, len(cfg.Services))
	for _, s := range cfg.Services {
		m[s.Name] = s.Checks
	}
	return m
}

// zoneData names the version of the zone data that this process uses: the system's where it has one, else Go's copy.
func zoneData() string {
	for _, dir := range []string{"/usr/share/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"} {
		data, err := os.ReadFile(dir + "/tzdata.zi")
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(data), "\n")
		if v, ok := strings.CutPrefix(line, "# version "); ok {
			return v + " (system)"
		}
	}
	return "of " + runtime.Version()
}
