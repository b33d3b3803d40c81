package uptally

import "fmt"

// Problem is one thing wrong with a text that a person wrote. Whoever knows the file adds file and line.
type Problem struct {
	// Path leads to the value from the thing validated, such as "url" or "credits[1].below"; empty for the thing itself.
	Path string
	// Got is the value as written; empty where it is missing.
	Got string
	// Want says what would be right, with an example where a form is meant.
	Want string
}

// String returns "path: got …, want …".
func (p Problem) String() string {
	got := "nothing"
	if p.Got != "" {
		got = fmt.Sprintf("%q", p.Got)
	}
	if p.Path == "" {
		return fmt.Sprintf("got %s, want %s", got, p.Want)
	}
	return fmt.Sprintf("%s: got %s, want %s", p.Path, got, p.Want)
}
