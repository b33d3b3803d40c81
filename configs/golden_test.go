package configs

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/agreements"
)

var update = flag.Bool("update", false, "write the golden files anew")

// problemsOf reads a file as what its name says it is and returns its problems, one a line.
func problemsOf(t *testing.T, file string) string {
	t.Helper()
	var err error
	switch {
	case strings.HasSuffix(file, ".timeline.csv"):
		_, err = LoadTimeline(file)
	case strings.HasSuffix(file, ".counts.csv"):
		_, err = LoadCounts(file)
	case strings.HasSuffix(file, ".results.csv"):
		_, err = LoadResults(file)
	case strings.HasSuffix(file, ".ics"):
		_, err = LoadWork(file, nil, agreements.Interval{From: agreements.Ever, To: agreements.Forever})
	default:
		err = orNil(validated(file))
	}
	if err == nil {
		return ""
	}
	if many := (*ProblemsError)(nil); !errors.As(err, &many) {
		t.Fatalf("got %T, want a *ProblemsError", err)
	}
	return err.Error() + "\n"
}

// Each file of testdata has the defect it is named after; beside it stands the whole text of its problems.
func TestGoldenProblems(t *testing.T) {
	var files []string
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*.csv", "testdata/*.ics"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := problemsOf(t, filepath.ToSlash(file))
			if got == "" {
				t.Fatal("got no problem, want those the file is named after")
			}
			golden := file + ".problems"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
