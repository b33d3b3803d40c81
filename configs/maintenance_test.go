package configs

import (
	"fmt"
	"testing"

	"github.com/uptally/uptally/agreements"
)

// Each word of maintenance and exclusions, written as a contract has it, and what it means.
func TestMaintenanceWords(t *testing.T) {
	base := []string{"services: [a]", "target: 99.9%"}
	for _, c := range []struct{ line, want string }{
		{"maintenance: { notice: 72h, denominator: subtract }", "72h 0  [] 0 -1ms 0s false 0 0 0 []"},
		{"maintenance: { notice: { business_days: 14 }, denominator: keep }", "0s 14  [] 0 -1ms 0s true 0 0 0 []"},
		{"maintenance: { notice: { business_days: 5, calendar: 5x9 }, times: 2, denominator: subtract }", "0s 5 5x9 [] 2 -1ms 0s false 0 0 0 []"},
		{`maintenance: { hours: [{ on: [sat, sunday], at: "06:00", for: 12h }], cap: 6h, cap_year: 10h, denominator: subtract }`, "0s 0  [{[Saturday Sunday] 6h 12h}] 0 6h 10h false 0 0 0 []"},
		{"maintenance: { emergency: excluded, denominator: add_back }", "0s 0  [] 0 -1ms 0s true 1 1 0 []"},
		{"maintenance: { emergency: counted, repeated_hour: both, denominator: add_back_all }", "0s 0  [] 0 -1ms 0s true 2 2 2 []"},
		{"maintenance: { repeated_hour: first, classes: [{ name: migration, notice: 168h, cap: 6h }, { name: night, times: 1 }], denominator: subtract }",
			"0s 0  [] 0 -1ms 0s false 0 0 1 [migration 168h 6h 0 night 0s 0s 1]"},
	} {
		v, err := contract(t, append(base, c.line)...)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		m := v.Maintenance
		classes := []any{}
		for _, k := range m.Classes {
			classes = append(classes, k.Name, k.Notice, k.Cap, k.Times)
		}
		got := fmt.Sprintln(m.Notice, m.NoticeDays, m.BusinessDays.Name, m.Hours, m.Times, m.Cap, m.CapYear, m.Keep, m.AddBack, m.Emergency, m.RepeatedHour, classes)
		if got != c.want+"\n" {
			t.Errorf("%s: got %swant %s", c.line, got, c.want)
		}
	}
	v, err := contract(t, append(base, "exclusions: { causes: [flood], denominator: add_back_all }")...)
	if x := v.Exclusions; err != nil || !x.Keep || x.AddBack != agreements.AddBackAll {
		t.Errorf("got %+v and %v", x, err)
	}
}

// What can only be said of plain time, or of periods that follow each other.
func TestMaintenanceThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"services: [a]", "target: 99.9%", "users: 200", "maintenance: { denominator: add_back_all }"},
			`versions[0].maintenance.denominator: got "add_back_all", want subtract, keep or add_back, since downtime is not measured in plain time`},
		{[]string{"services: [a]", "target: 99.9%", "users: 200", "exclusions: { causes: [flood], denominator: add_back_all }"},
			`versions[0].exclusions.denominator: got "add_back_all", want subtract, keep or add_back, since downtime is not measured in plain time`},
	} {
		_, err := contract(t, c.lines...)
		if err == nil {
			t.Errorf("%v: got no problem, want %s", c.lines, c.want)
			continue
		}
		if many, ok := err.(*ProblemsError); !ok || len(many.Problems) != 1 || many.Problems[0].Problem.String() != c.want {
			t.Errorf("%v: got %v, want %s", c.lines, err, c.want)
		}
	}
}
