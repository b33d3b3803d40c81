package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func serverCommand(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "server",
		Short: "the agents of an installation: let one in, see who is, throw one out",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{fmt.Errorf("server: want token, agents or revoke")}
		},
	}
	c.AddCommand(agentCommands(s)...)
	return c
}
