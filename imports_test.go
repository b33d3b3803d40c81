package uptally_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/uptally/uptally"

type room struct {
	folder string
	may    []string
	why    string
}

// rooms is the table of the house: what a folder may import of this module, and why. What is not listed may import
// nothing of it.
var rooms = []room{
	{"", nil, "the vocabulary stands alone"},
	{"probes", []string{""}, "a probe returns an observation with a reason of the closed list"},
	{"probes/schedule", []string{""}, "slots come from plans; what runs in them is not its business"},
	{"probes/focus", []string{""}, "when to look more often; what runs and what counts is not its business"},
	{"probes/agent", []string{"", "probes", "probes/schedule", "probes/focus", "ledger"}, "the work at a site: due, probe, batch"},
	{"probes/agent/plans", []string{"", "probes", "probes/schedule", "ledger/delivery"}, "what an agent measures: fetched, kept, in force from stated slots"},
	{"probes/agent/identity", []string{"", "ledger/delivery"}, "who an agent is to its server: made, kept, shown, renewed"},
	{"probes/agent/ship", []string{"", "ledger", "ledger/delivery"}, "from the spool to the server; who the agent is, it is given"},
	{"probes/agent/relay", []string{"", "probes/focus", "ledger/delivery"}, "what sites say of their probes, to the server and back"},
	{"agreements", []string{""}, "pure: evidence in, account out"},
	{"agreements/naive", []string{"", "agreements"}, "the second evaluator that tests hold against the first; it reads its types"},
	{"agreements/recurrence", []string{"", "agreements"}, "pure: rules of imported calendars in, instants out"},
	{"configs", []string{"", "probes", "probes/schedule", "agreements", "agreements/recurrence"}, "texts become their settings"},
	{"ledger", []string{""}, "stores bytes of the vocabulary"},
	{"ledger/history", []string{""}, "what others recorded becomes batches; where they are stored is not its business"},
	{"ledger/ledgertest", []string{"", "ledger"}, "the stories every engine must pass"},
	{"ledger/delivery", []string{""}, "what both ends of the delivery decide; how bytes travel and where they are kept is not its business"},
	{"ledger/export", []string{"", "ledger"}, "evidence for anybody's analysis: rows of names, no figure of an account"},
	{"ledger/postgrestest", nil, "real servers for tests; what is stored in them is not its business"},
	{"server", []string{"", "probes/schedule", "probes/focus", "ledger", "ledger/delivery", "agreements"}, "the agents' other end"},
	{"statements", []string{"", "agreements", "ledger"}, "renders accounts from evidence"},
	{"exporter", []string{"", "agreements"}, "plain numbers in, metrics out"},
	{"dashboards", nil, "data; its test runs each query against the exporter"},
	{"cmd/uptally", []string{"", "probes", "probes/schedule", "probes/agent", "probes/agent/identity", "probes/agent/plans", "probes/agent/relay", "probes/agent/ship", "agreements", "agreements/recurrence", "configs", "ledger", "ledger/delivery", "ledger/export", "ledger/history", "server", "statements", "exporter", "dashboards"}, "wiring"},
	{"cmd/uptally/simulator", []string{"", "probes/schedule", "probes/focus", "agreements", "ledger", "ledger/delivery", "server"}, "a made-up world about the real deciding parts; no program imports it"},
}

// testOnly is what tests may import besides.
var testOnly = map[string][]string{
	"cmd/uptally":       {"ledger/ledgertest", "ledger/postgrestest"},
	"dashboards":        {"exporter", "", "agreements"},
	"ledger":            {"ledger/ledgertest", "ledger/postgrestest"},
	"ledger/export":     {"ledger/ledgertest"},
	"probes/agent/ship": {"ledger/ledgertest", "probes", "probes/agent", "probes/agent/identity", "server"}, // a whole agent before a real server
	"probes/focus":      {"probes/schedule", "agreements"},                                                  // the simulation: real slots, real accounts
	"server":            {"ledger/ledgertest", "ledger/postgrestest", "probes/agent/identity", "probes/agent/relay", "probes/agent", "probes"},
	"statements":        {"ledger/ledgertest"},
}

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func folder(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestImportTable(t *testing.T) {
	for _, p := range packages(t) {
		dir, _ := folder(p.ImportPath)
		i := slices.IndexFunc(rooms, func(r room) bool { return r.folder == dir })
		if i < 0 {
			t.Errorf("package %q is no room of the table; add it with what it may import and why", dir)
			continue
		}
		check := func(imports, may []string, what string) {
			for _, imp := range imports {
				if in, ours := folder(imp); ours && in != dir && !slices.Contains(may, in) {
					t.Errorf("%s%s imports %q, may import %q: %s", dir, what, in, may, rooms[i].why)
				}
			}
		}
		check(p.Imports, rooms[i].may, "")
		check(slices.Concat(p.TestImports, p.XTestImports), slices.Concat(rooms[i].may, testOnly[dir]), " (tests)")
	}
}

// The root is the standard library alone, and agreements neither reads a clock nor touches the world.
func TestPureRooms(t *testing.T) {
	forbidden := []string{"os", "net", "net/http", "io/fs", "database/sql", "log/slog", "math/rand", "math/rand/v2", "os/exec", "syscall"}
	for _, p := range packages(t) {
		dir, _ := folder(p.ImportPath)
		if dir != "" && dir != "agreements" && dir != "agreements/recurrence" {
			continue
		}
		for _, imp := range p.Imports {
			_, ours := folder(imp)
			if !ours && (strings.Contains(imp, ".") || slices.Contains(forbidden, imp)) {
				t.Errorf("%q imports %q, want the pure standard library alone", p.ImportPath, imp)
			}
		}
	}
}

// Third-party libraries stay in their rooms, so that one of them can be replaced in one place.
func TestLibrariesStayInTheirRooms(t *testing.T) {
	homes := map[string][]string{
		"github.com/VictoriaMetrics/metrics":       {"exporter"},
		"github.com/miekg/dns":                     {"probes", "cmd/uptally"},
		"github.com/itchyny/gojq":                  {"probes"},
		"github.com/jackc/pgx/v5":                  {"ledger", "ledger/postgrestest"},
		"github.com/prometheus-community/pro-bing": {"probes"},
		"github.com/robfig/cron/v3":                {"probes/schedule"},
		"github.com/spf13/cobra":                   {"cmd/uptally"},
		"go.yaml.in/yaml/v4":                       {"configs"},
		"modernc.org/sqlite":                       {"ledger"},
		"github.com/parquet-go/parquet-go":         {"ledger/export"},
	}
	for _, p := range packages(t) {
		dir, _ := folder(p.ImportPath)
		for _, imp := range p.Imports {
			for lib, may := range homes {
				if (imp == lib || strings.HasPrefix(imp, lib+"/")) && !slices.Contains(may, dir) {
					t.Errorf("%q imports %q, whose home is %q", dir, imp, may)
				}
			}
		}
	}
}

// No figure of an account passes through a float, and no rule asks what time it is: both would make the same input give
// different bytes.
func TestAgreementsHaveNoFloatsAndNoClock(t *testing.T) {
	files, err := filepath.Glob("agreements/*.go")
	more, errMore := filepath.Glob("agreements/recurrence/*.go")
	if err != nil || errMore != nil || len(files) == 0 || len(more) == 0 {
		t.Fatalf("agreements/*.go: %v, %v, %d and %d files", err, errMore, len(files), len(more))
	}
	files = append(files, more...)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if n.Name == "float64" || n.Name == "float32" || n.Name == "Float64" || n.Name == "SetFloat64" {
					t.Errorf("%s: got %s, want integers and big.Rat", fset.Position(n.Pos()), n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					t.Errorf("%s: got the float %s, want integers and big.Rat", fset.Position(n.Pos()), n.Value)
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Local"}, n.Sel.Name) {
					t.Errorf("%s: got time.%s, want instants as arguments", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}
