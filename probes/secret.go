package probes

import (
	"fmt"
	"strings"

	"github.com/uptally/uptally"
)

// maxSecret is the longest secret in bytes; a longer file is a mistake in the path.
const maxSecret = 64 << 10

// Secret is a reference to a secret, never the secret: exactly one of the two is set. Its value is read by
// Engine.Prepare and lives only inside the Prober, so nothing that prints, logs or stores settings can leak it.
type Secret struct {
	// File is a path relative to the file that names it; one line end at its end is not part of the secret.
	File string `yaml:"file"`
	// Env is the name of an environment variable.
	Env string `yaml:"env"`
}

// Validate returns what is wrong with a reference, with paths inside it. What it refers to is not read.
func (s *Secret) Validate() []uptally.Problem {
	var p problems
	s.validate(&p)
	return p.all()
}

// validate demands exactly one reference.
func (s *Secret) validate(p *problems) {
	switch {
	case s == nil, s.File == "" && s.Env == "":
		p.add("", "", "a reference, {file: path} or {env: NAME}")
	case s.File != "" && s.Env != "":
		p.add("", "file and env", "one of file and env")
	case strings.ContainsAny(s.Env, "=\x00"):
		p.add("env", s.Env, "the name of an environment variable, such as API_TOKEN")
	}
}

// Read returns the value; a file is relative to dir. The error names the reference and never the value.
func (s *Secret) Read(dir string) (string, error) { return s.read(Folder(dir)) }

func (s *Secret) read(from Source) (string, error) {
	if s.Env != "" {
		v, ok := from.env(s.Env)
		if !ok || v == "" {
			return "", fmt.Errorf("read secret: environment variable %q is not set", s.Env)
		}
		return v, nil
	}
	data, err := from.file(s.File, maxSecret)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if v == "" {
		return "", fmt.Errorf("read secret: file %q is empty", s.File)
	}
	return v, nil
}
