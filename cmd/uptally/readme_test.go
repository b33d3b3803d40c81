package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The statement in README.md is what the command above it prints.
func TestReadmeShowsARealStatement(t *testing.T) {
	_, block, ok := strings.Cut(readme(t), "--period 2026-10\n\n")
	block, _, ok2 := strings.Cut(block, "\n```")
	if !ok || !ok2 {
		t.Fatal("got no statement in README.md")
	}
	code, out, stderr := command(t, "evaluate", "-a", "../../configs/agreements/acme.yaml", "--timeline", "../../docs/example/october.csv",
		"--facts", "../../docs/example/october-facts.yaml", "--period", "2026-10")
	if code != exitDone || !strings.HasPrefix(out, block+"\n") {
		t.Errorf("got %d %s and\n%s\nwant it to begin with\n%s", code, stderr, out, block)
	}
}

// What docs/measuring.md explains first is what the command prints.
func TestMeasuringShowsARealStatement(t *testing.T) {
	page, err := os.ReadFile("../../docs/measuring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```\n")
	block, _, _ = strings.Cut(block, "```")
	code, out, stderr := command(t, "evaluate", "-a", "../../docs/example/november.yaml", "--timeline", "../../docs/example/november.timeline.csv", "--period", "2026-11")
	if code != exitDone || block == "" || !strings.Contains(out, block) {
		t.Errorf("got %d %s and\n%s\nwant in it\n%s", code, stderr, out, block)
	}
}

// The files of README.md's ten minutes are valid as they stand.
func TestReadmeFilesAreValid(t *testing.T) {
	dir := t.TempDir()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)\n +```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("got %d yaml blocks, want 2", len(blocks))
	}
	var files []string
	for i, name := range []string{"uptally.yaml", "acme.yaml"} {
		text := regexp.MustCompile(`(?m)^   `).ReplaceAllString(blocks[i][1], "")
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(files[i], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, stderr := command(t, append([]string{"validate"}, files...)...); code != exitDone {
		t.Errorf("got %d:\n%s%s", code, out, stderr)
	}
}
