package probes

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Source is where the files and the environment variables are that settings refer to: a Folder of this machine, or Given.
type Source interface {
	file(name string, limit int64) ([]byte, error)
	env(name string) (value string, found bool)
}

// Folder is a folder of this machine, to which file names are relative, and the environment of this process.
type Folder string

// Given is what settings refer to, taken along: of files by "file NAME" and of environment variables by "env NAME". Nothing else
// is read, of no machine.
type Given map[string][]byte

// Recorded returns a source that gives what another does, and what was taken of it so far.
func Recorded(from Source) (Source, Given) {
	r := recorder{from, Given{}}
	return r, r.given
}

func (f Folder) env(name string) (string, bool) { return os.LookupEnv(name) }

// file reads at most limit bytes.
func (f Folder) file(name string, limit int64) ([]byte, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(string(f), path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("file %q is longer than %d bytes", name, limit)
	}
	return data, nil
}

func (g Given) env(name string) (string, bool) {
	v, found := g["env "+name]
	return string(v), found
}

func (g Given) file(name string, limit int64) ([]byte, error) {
	data, found := g["file "+name]
	switch {
	case !found:
		return nil, fmt.Errorf("file %q was not given", name)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("file %q is longer than %d bytes", name, limit)
	}
	return data, nil
}

type recorder struct {
	from  Source
	given Given
}

func (r recorder) env(name string) (string, bool) {
	v, found := r.from.env(name)
	if found {
		r.given["env "+name] = []byte(v)
	}
	return v, found
}

func (r recorder) file(name string, limit int64) ([]byte, error) {
	data, err := r.from.file(name, limit)
	if err == nil {
		r.given["file "+name] = data
	}
	return data, err
}
