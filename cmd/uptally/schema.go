package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/configs"
	"github.com/uptally/uptally/statements"
)

func schemaCommand(s streams) *cobra.Command {
	kinds := append(configs.SchemaKinds(), "statement", "figures")
	return &cobra.Command{
		Use:   "schema [" + strings.Join(kinds, "|") + "]",
		Short: "print the JSON Schema of a file, for editors; without a name, which there are",
		Example: "  uptally schema agreement > agreement.schema.json\n" +
			"  # and in the first line of an agreement: # yaml-language-server: $schema=agreement.schema.json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			if len(names) == 0 {
				_, err := fmt.Fprintln(s.out, strings.Join(kinds, "\n"))
				return err
			}
			if !slices.Contains(kinds, names[0]) {
				return usageError{fmt.Errorf("schema: got %q, want one of %s", names[0], strings.Join(kinds, ", "))}
			}
			text, err := schemaNamed(names[0])
			if err != nil {
				return err
			}
			_, err = s.out.Write(text)
			return err
		},
	}
}

func schemaNamed(name string) ([]byte, error) {
	switch name {
	case "statement":
		return statements.Schema, nil
	case "figures":
		return statements.FiguresSchema, nil
	}
	return configs.Schema(name)
}
