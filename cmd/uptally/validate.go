package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
)

func validateCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE…",
		Short: "print every problem of installation, agent, agreement, calendar and facts files; needs no network and no rights",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			problems, notes := configs.Validate(files...)
			for _, p := range problems {
				fmt.Fprintln(s.out, p)
			}
			for _, n := range notes {
				fmt.Fprintln(s.err, "note: "+n)
			}
			if len(problems) > 0 {
				return errProblems
			}
			return nil
		},
	}
}
