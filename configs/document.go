package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/uptally/uptally"
	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The bounds of one YAML file: its bytes, how deep it nests, and how many values its aliases may stand for in all.
const (
	maxFile    = 4 << 20
	maxDepth   = 32
	maxAliased = 100_000
)

// document is one YAML file on its way to a value: its nodes tell where things stand, and what is wrong gathers in
// problems. A document without a root could not be read; its problems say why.
type document struct {
	file     string
	data     []byte
	last     int // line
	root     *yaml.Node
	places   places
	problems []Problem
	// unread says why the file gave no text at all; whoever named the file reports it.
	unread error
	// broken are the paths whose value could not be read; what else they lack is no news. around are the paths that hold
	// one, spoken those that have a problem.
	broken, around, spoken map[string]bool
	// dropped are the indexes of the elements that are not in the decoded lists, by the path of the list, ascending.
	dropped map[string][]int
}

func newDocument(file string, data []byte) *document {
	last := 1 + bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	return &document{file: file, data: data, last: last, broken: map[string]bool{}, around: map[string]bool{}, spoken: map[string]bool{}, dropped: map[string][]int{}}
}

// open reads and parses a file.
func open(file string) *document {
	data, err := read(file)
	if err != nil {
		d := newDocument(file, nil)
		d.unread = err
		return d
	}
	return parse(file, data)
}

// all returns the problems of a file that a person named on the command line.
func (d *document) all() []Problem {
	if d.unread != nil {
		return []Problem{{File: d.file, Problem: uptally.Problem{Got: cause(d.unread), Want: "a file that can be read"}}}
	}
	return d.problems
}

// read returns a file's bytes, refusing more than maxFile of them.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("more than %d MiB", maxFile>>20)
	}
	return data, err
}

// cause is an error of the file system without the path, which the problem names already.
func cause(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// parse turns text into nodes; exactly one document must be in it.
func parse(file string, data []byte) *document {
	d := newDocument(file, data)
	if line, got := badText(data); line > 0 {
		d.add(line, "", got, "UTF-8 text without control characters")
		return d
	}
	var docs []yaml.Node
	err := yaml.Load(data, &docs, yaml.WithAllDocuments(), limits())
	switch {
	case err != nil:
		d.syntax(err)
	case len(docs) == 0 || len(docs) == 1 && isNull(content(&docs[0])):
		d.add(1, "", "", "one YAML document; the file is empty")
	case len(docs) > 1:
		second := content(&docs[1])
		d.add(second.Line, "", "a second document", "one document a file; put this one into a file of its own")
	default:
		d.root = content(&docs[0])
	}
	return d
}

func limits() yaml.Option {
	return yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth), loaderlimits.AliasValue(maxAliased)))
}

// content unwraps a document node.
func content(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		return n.Content[0]
	}
	return n
}

// badText returns the line and the form of the first byte that no YAML text holds, or line 0.
func badText(data []byte) (line int, got string) {
	for i, r := range string(data) {
		_, size := utf8.DecodeRune(data[i:])
		// Some of these would end a line for YAML and for nobody else.
		control := unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' || r == '\u2028' || r == '\u2029'
		if control || r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(data[:i], []byte("\n")), fmt.Sprintf("byte 0x%02x", data[i])
		}
	}
	return 0, ""
}

// decode fills into, a pointer to a struct with yaml tags, as far as the document goes. It reports unknown, repeated and
// empty keys and values of the wrong type, each as a problem of its own.
func (d *document) decode(into any) {
	if d.root == nil {
		return
	}
	x := indexer{
		places: places{values: map[mark]*place{}, keys: map[mark]*place{}, paths: map[string]*place{}},
		fields: map[reflect.Type]map[string]reflect.Type{},
	}
	x.value(d.root, "", reflect.TypeOf(into).Elem(), false)
	d.places = x.places
	for _, f := range x.faults {
		d.fault(f.node.Line, f.path, f.got, f.want)
		if isNull(f.node) {
			d.drop(f.path)
		}
	}
	err := d.root.Load(into, yaml.WithKnownFields(), yaml.WithUniqueKeys(false), limits())
	var many *yaml.LoadErrors
	switch {
	case errors.As(err, &many):
		for _, e := range many.Errors {
			d.mistake(e)
		}
	case err != nil:
		d.syntax(err)
		d.root = nil
	}
	for _, is := range d.dropped {
		slices.Sort(is)
	}
}

// syntax reports what keeps the whole file from being read.
func (d *document) syntax(err error) {
	line, msg := 1, err.Error()
	if le := (*yaml.LoadError)(nil); errors.As(err, &le) {
		line, msg = max(le.Mark.Line, 1), le.Message
		if le.ContextMsg != "" {
			msg = le.ContextMsg + ": " + msg
		}
	}
	if strings.HasPrefix(strings.TrimLeft(d.line(line), " "), "\t") {
		d.add(line, "", "a tab", "indentation by spaces")
		return
	}
	// The line itself stays unseen: it may hold what should have been a secret.
	d.add(line, "", msg, "YAML that can be read")
}

// mistake reports one value that did not fit its type, in our own words.
func (d *document) mistake(e *yaml.LoadError) {
	at := mark{e.Mark.Line, e.Mark.Column}
	if strings.HasPrefix(e.Message, "field ") && strings.Contains(e.Message, " not found in type ") {
		d.unknownKey(d.places.keys[at])
		return
	}
	p := d.places.values[at]
	wrongKind := strings.HasPrefix(e.Message, "cannot construct ")
	if p == nil || !wrongKind && p.node.Kind != yaml.ScalarNode {
		p = d.places.keys[at]
	}
	switch {
	case p == nil:
		// Only what an alias stands for is nowhere in the places: an anchor under a key that nothing reads.
		d.add(max(e.Mark.Line, 1), "", "an anchor", "a value that fits where its alias stands")
	case wrongKind:
		d.fault(e.Mark.Line, p.path, d.got(p), p.want())
		d.drop(p.path)
	default:
		d.fault(e.Mark.Line, p.path, d.got(p), wanted(e.Message))
		d.drop(p.path)
	}
}

// wanted is what a text-unmarshal error asks for: ours read "got …, want …", others are quoted.
func wanted(msg string) string {
	if _, rest, ok := strings.Cut(msg, "got "); ok {
		if q, err := strconv.QuotedPrefix(rest); err == nil {
			if want, ok := strings.CutPrefix(rest[len(q):], ", want "); ok {
				return want
			}
		}
	}
	return "a value that can be read (" + msg + ")"
}

// unknownKey reports a key that nothing reads, with the nearest that something does. The nearest then counts as written:
// that it is missing is the same mistake.
func (d *document) unknownKey(p *place) {
	if p == nil {
		return
	}
	known := p.siblings()
	if p.hidden {
		d.fault(p.node.Line, p.parent, d.got(p), "one of the keys "+strings.Join(known, ", "))
		return
	}
	best, ok := nearest(p.node.Value, known)
	if !ok {
		d.fault(p.node.Line, p.path, d.got(p), "one of the keys "+strings.Join(known, ", "))
		return
	}
	d.fault(p.node.Line, p.path, d.got(p), "a known key, perhaps "+best)
	d.breakAt(join(p.parent, best))
}

// fault reports a value that could not be read.
func (d *document) fault(line int, path, got, want string) {
	d.breakAt(path)
	d.add(line, path, got, want)
}

// breakAt notes that the value at path could not be read.
func (d *document) breakAt(path string) {
	d.broken[path] = true
	for outer := range outward(path) {
		d.around[outer] = true
	}
}

// complain reports what is wrong with a value that could be read, or is missing. It stands at the value's line, or at
// that of what should hold it; got is what was written there.
func (d *document) complain(path, want string) { d.report(uptally.Problem{Path: path, Want: want}) }

// report is complain for a problem that another room found, whose Got may say more than the text written there.
func (d *document) report(p uptally.Problem) {
	p.Path = d.written(p.Path)
	if d.root == nil || d.isBroken(p.Path) {
		return
	}
	at := d.places.nearest(p.Path)
	switch {
	case at.path == p.Path && (p.Got == "" || at.hidden):
		p.Got = d.got(at)
	case at.path != p.Path && at.node.Kind != yaml.AliasNode:
		p.Got = "" // a default, or nothing at all
	}
	d.add(at.node.Line, p.Path, p.Got, p.Want)
}

// further reports a problem that another room found, unless this one has spoken of that place, or of one that holds it.
func (d *document) further(p uptally.Problem) {
	for outer := range outward(d.written(p.Path)) {
		if outer != "" && d.spoken[outer] {
			return
		}
	}
	d.report(p)
}

// indexForm is an index in a path.
var indexForm = regexp.MustCompile(`\[(\d+)\]`)

// drop notes that the element at path, if it is one, is not in the decoded list.
func (d *document) drop(path string) {
	at := strings.LastIndexByte(path, '[')
	if i, err := strconv.Atoi(strings.Trim(path[at+1:], "]")); at >= 0 && err == nil {
		d.dropped[path[:at]] = append(d.dropped[path[:at]], i)
	}
}

// written turns the indexes of a path in the decoded value into those of the text, which has the dropped elements too.
func (d *document) written(path string) string {
	var out strings.Builder
	end := 0
	for _, m := range indexForm.FindAllStringSubmatchIndex(path, -1) {
		if len(d.dropped) == 0 {
			break
		}
		out.WriteString(path[end:m[0]])
		end = m[1]
		gone := d.dropped[out.String()]
		i, _ := strconv.Atoi(path[m[2]:m[3]])
		// The k-th dropped element stands before decoded element i where at most i others do.
		i += sort.Search(len(gone), func(k int) bool { return gone[k]-k > i })
		out.WriteString(item("", i))
	}
	return out.String() + path[end:]
}

// isBroken reports whether the value at path, or one that holds it, could not be read.
func (d *document) isBroken(path string) bool {
	for outer := range outward(path) {
		if d.broken[outer] {
			return true
		}
	}
	return false
}

// hasBroken reports whether the value at path, or one inside it, could not be read.
func (d *document) hasBroken(path string) bool { return d.around[d.written(path)] }

// add reports a problem. The parser may have stopped behind the last line, waiting for more.
func (d *document) add(line int, path, got, want string) {
	line = min(line, d.last)
	d.spoken[path] = true
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Problem: uptally.Problem{Path: path, Got: got, Want: want}})
}

// got is a value as written, of a list or a mapping the outermost level, of a secret nothing.
func (d *document) got(p *place) string {
	if p.hidden {
		return "…"
	}
	n, hide := p.node, holdsLiteral(p.typ)
	words := make([]string, 0, len(n.Content))
	for i, c := range n.Content {
		if word := inner(c); !hide || n.Kind == yaml.MappingNode && i%2 == 0 {
			words = append(words, word)
		} else {
			words = append(words, "…")
		}
	}
	if key := d.places.keys[mark{n.Line, n.Column}] == p; hide && !key && n.Kind == yaml.ScalarNode {
		return "…"
	}
	switch n.Kind {
	case yaml.SequenceNode:
		return shown("[" + strings.Join(words, ", ") + "]")
	case yaml.MappingNode:
		for i := 0; i+1 < len(words); i += 2 {
			words[i/2] = words[i] + ": " + words[i+1]
		}
		return shown("{" + strings.Join(words[:len(words)/2], ", ") + "}")
	}
	return shown(inner(n))
}

// inner is a scalar's text or an alias; what nests deeper is left out.
func inner(n *yaml.Node) string {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value
	case yaml.AliasNode:
		return "*" + n.Value
	}
	return "…"
}

// line returns a line of the text, counted from 1.
func (d *document) line(n int) string {
	rest := d.data
	for ; n > 1; n-- {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(line)
}

// shown cuts a text to what fits on a line of problems.
func shown(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
