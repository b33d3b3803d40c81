package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uptally/uptally/statements"
)

// rendering is how and where a statement is written.
type rendering struct {
	format, output string
}

var formats = []string{"text", "json", "html"}

func (r *rendering) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.format, "format", "text", "text, json or html")
	c.Flags().StringVarP(&r.output, "output", "o", "", "write to this file instead of standard output")
}

func (r *rendering) check() error {
	if !slices.Contains(formats, r.format) {
		return usageError{fmt.Errorf("read --format: got %q, want %s", r.format, strings.Join(formats, ", "))}
	}
	return nil
}

// write renders a statement. A file appears whole or not at all.
func (r *rendering) write(st *statements.Statement, out io.Writer) error {
	var b bytes.Buffer
	if err := renderStatement(&b, st, r.format); err != nil {
		return err
	}
	return r.put(b.Bytes(), out)
}

// put hands finished bytes to where they were asked for.
func (r *rendering) put(data []byte, out io.Writer) error {
	if r.output == "" {
		_, err := out.Write(data)
		return err
	}
	return writeWhole(r.output, data)
}

func renderStatement(w io.Writer, st *statements.Statement, format string) error {
	switch format {
	case "json":
		data, err := st.JSON()
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	case "html":
		return st.HTML(w)
	}
	return st.Text(w)
}

// writeWhole writes a file of finished bytes.
func writeWhole(path string, data []byte) error {
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeFile lets put write beside the file, then renames: it appears whole or not at all.
func writeFile(path string, put func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	err = errors.Join(put(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}
