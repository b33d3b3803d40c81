// Command uptally probes services from several sites and turns the results into monthly uptime statements with the
// credits owed. Each subcommand has a file of its own that holds its wiring and nothing else.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	_ "time/tzdata" // zone data for machines that have none
)

// Exit codes of every subcommand.
const (
	exitDone   = 0
	exitFailed = 1 // failed, or problems found
	exitUsage  = 2
)

// version is set by the linker.
var version = "dev"

// streams are the three of a process, so that a test can hand its own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// errProblems says that the problems are printed already and only the exit code is left to give.
var errProblems = errors.New("problems found")

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams) int {
	root := rootCommand(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errProblems):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(s.err, "uptally: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(s.err, "uptally: %v\n", err)
		return exitFailed
	}
}

func rootCommand(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "uptally",
		Short:         "from the probe to the money: checks, evidence, agreements, statements",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return misused(c, err)
	})
	root.AddCommand(
		agentCommand(s),
		calendarCommand(s),
		compareCommand(s),
		demoCommand(s),
		enrolCommand(s),
		evaluateCommand(s),
		exportCommand(s),
		importCommand(s),
		ledgerCommand(s),
		probeCommand(s),
		recordCommand(s),
		runCommand(s),
		schemaCommand(s),
		serverCommand(s),
		statementCommand(s),
		validateCommand(s),
		versionCommand(s),
	)
	usageArgs(root)
	return root
}

// misused is a usage error of a command, and where its usage is shown.
func misused(c *cobra.Command, err error) error {
	return usageError{fmt.Errorf("%s: %w; see %s --help", strings.TrimPrefix(c.CommandPath(), "uptally "), err, c.CommandPath())}
}

// usageArgs makes a wrong number of arguments, an unknown subcommand, or flags that are missing or exclude each other a usage error, of
// c and of every command below it.
func usageArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := cmp.Or(check(c, args), c.ValidateRequiredFlags(), c.ValidateFlagGroups()); err != nil {
			return misused(c, err)
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}
