package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/ledger/delivery"
	"github.com/uptally/uptally/probes/agent/identity"
)

func enrolCommand(s streams) *cobra.Command {
	var (
		o      identity.EnrolOptions
		file   string
		unless bool
	)
	c := &cobra.Command{
		Use:   "enrol --server URL --data FOLDER",
		Short: "make this machine an agent of a server, with a join token of `uptally server token`",
		Long: "enrol makes a key that never leaves this machine, has the server sign it, and keeps both in the agent's data folder, in a\n" +
			"file that nobody else may read. The token is read from standard input, where no list of processes and no history of a shell\n" +
			"shows it. It is good once; with it the agent knows the server, whatever else claims its address.",
		Example: "  uptally enrol --server https://uptally.example.com:8443 --data /var/lib/uptally-agent < token",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var i *identity.Identity
			err := fs.ErrNotExist
			if unless {
				i, err = identity.Open(o.Dir)
			}
			if errors.Is(err, fs.ErrNotExist) {
				i, err = enrol(c.Context(), o, s, file)
			}
			if err != nil {
				return err
			}
			defer i.Close()
			_, err = fmt.Fprintf(s.out, "agent %016x of site %s, enrolled at %s\n", i.Agent(), i.Site(), i.Server())
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Server, "server", "", "URL of the server")
	f.StringVar(&o.Dir, "data", "./data", "the agent's data folder")
	f.StringVar(&file, "token-file", "", "file of the join token (default: standard input)")
	f.BoolVar(&o.Insecure, "insecure", false, "allow http to another machine: whoever is on the way can read and alter everything")
	f.BoolVar(&unless, "unless-enrolled", false, "leave a folder that has an identity as it is, for starts that cannot know")
	c.MarkFlagRequired("server")
	return c
}

// enrol uses the join token.
func enrol(ctx context.Context, o identity.EnrolOptions, s streams, file string) (_ *identity.Identity, err error) {
	if o.Token, err = readToken(s, file); err != nil {
		return nil, err
	}
	o.Now = time.Now()
	return identity.Enrol(ctx, o)
}

// readToken reads the one line of a join token.
func readToken(s streams, file string) (delivery.Secret, error) {
	in := s.in
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return delivery.Secret{}, fmt.Errorf("read join token: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, 4<<10))
	if err != nil {
		return delivery.Secret{}, fmt.Errorf("read join token: %w", err)
	}
	return delivery.SecretOf(strings.TrimSpace(string(data))), nil
}
