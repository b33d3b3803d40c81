package agreements

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

var (
	eur = Currency{"EUR", 2}
	jpy = Currency{"JPY", 0}
	kwd = Currency{"KWD", 3}
)

// pct is an exact share from its text.
func pct(text string) *big.Rat {
	r, err := ParseShare(text)
	if err != nil {
		panic(err)
	}
	return r
}

func TestParseShare(t *testing.T) {
	for text, want := range map[string]string{
		"99.9%": "999/1000", "100%": "1/1", "0%": "0/1", "99.9999%": "999999/1000000", "250%": "5/2", "007.50%": "3/40",
	} {
		if got, err := ParseShare(text); err != nil || got.String() != want {
			t.Errorf("ParseShare(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "99.9", "99.9 %", "-1%", "+1%", "1e2%", ".5%", "5.%", "1_0%", "1/2%", "0x1%", "99,9%", "９%"} {
		want := `parse share: got "` + text + `", want a percentage such as 99.9%`
		if got, err := ParseShare(text); err == nil || err.Error() != want {
			t.Errorf("ParseShare(%q) = %v, %v, want error %q", text, got, err, want)
		}
	}
}

func TestShareTextIsItsOwnInverse(t *testing.T) {
	for _, text := range []string{"99.9%", "100%", "0%", "99.995%", "33%", "250%", "0.000001%"} {
		if got := FormatShare(pct(text)); got != text {
			t.Errorf("FormatShare(%s) = %q", text, got)
		}
	}
	if got := FormatShare(big.NewRat(2, 3)); got != "66.666666%" {
		t.Errorf("FormatShare(2/3) = %q, want it cut off", got)
	}
}

func TestMoneyHasTheDecimalsOfItsCurrency(t *testing.T) {
	for _, c := range []struct {
		text string
		in   Currency
		want int64
		back string
	}{
		{"12000.00", eur, 1200000, "12000.00"},
		{"12000", eur, 1200000, "12000.00"},
		{"0.05", eur, 5, "0.05"},
		{"12000", jpy, 12000, "12000"},
		{"1.234", kwd, 1234, "1.234"},
		{"3", kwd, 3000, "3.000"},
		{"92233720368547758.07", eur, 1<<63 - 1, "92233720368547758.07"},
	} {
		got, err := ParseMoney(c.text, c.in)
		if err != nil || got != c.want || FormatMoney(got, c.in) != c.back {
			t.Errorf("ParseMoney(%q, %s) = %d, %v, printed %q; want %d and %q", c.text, c.in.Code, got, err, FormatMoney(got, c.in), c.want, c.back)
		}
	}
	for _, c := range []struct {
		text, want string
		in         Currency
	}{
		{"", `parse amount: got "", want EUR such as "12000.00"`, eur},
		{"12,000.00", `parse amount: got "12,000.00", want EUR such as "12000.00"`, eur},
		{"-1.00", `parse amount: got "-1.00", want EUR such as "12000.00"`, eur},
		{"1.5", `parse amount: got "1.5", want EUR such as "12000.00"`, eur},
		{"1.005", `parse amount: got "1.005", want EUR such as "12000.00"`, eur},
		{"1.00", `parse amount: got "1.00", want JPY such as "12000"`, jpy},
		{"1.00", `parse amount: got "1.00", want KWD such as "12000.000"`, kwd},
		{"92233720368547758.08", `parse amount: got "92233720368547758.08", want at most "92233720368547758.07"`, eur},
	} {
		if _, err := ParseMoney(c.text, c.in); err == nil || err.Error() != c.want {
			t.Errorf("ParseMoney(%q, %s): %v, want %s", c.text, c.in.Code, err, c.want)
		}
	}
	if got := FormatMoney(-1<<63, eur); got != "-92233720368547758.08" {
		t.Errorf("FormatMoney(least) = %q", got)
	}
}

func TestAvailabilityIsCutOff(t *testing.T) {
	for _, c := range []struct {
		num, den int64
		decimals int
		want     string
	}{
		{2589407, 2592000, 2, "99.89%"},     // 99.89996: rounded up it would read as if 99.9 % were met
		{2589407, 2592000, 6, "99.899961%"}, // one second over the 2592 s allowance
		{999, 1000, 3, "99.900%"},
		{1, 1, 2, "100.00%"},
		{0, 1, 2, "0.00%"},
		{99999999, 100000000, 2, "99.99%"},
	} {
		if got := FormatAvailability(big.NewRat(c.num, c.den), c.decimals); got != c.want {
			t.Errorf("FormatAvailability(%d/%d, %d) = %q, want %q", c.num, c.den, c.decimals, got, c.want)
		}
	}
	if got := FormatAvailability(nil, 2); got != "" {
		t.Errorf("FormatAvailability(nil) = %q", got)
	}
}

func TestDecimalsFollowTheWidthOfTheBounds(t *testing.T) {
	for width, want := range map[string]int{ // in percentage points
		"5%": 2, "0.01%": 2, "0.0099%": 3, "0.001%": 3, "0.0001%": 4, "0.00002%": 5, "0.000001%": 6, "0.0000001%": 6, "0%": 6,
	} {
		high := pct("99.95%")
		if got := Decimals(Bounds{Low: new(big.Rat).Sub(high, pct(width)), High: high}); got != want {
			t.Errorf("Decimals(width %s) = %d, want %d", width, got, want)
		}
	}
	if got := Decimals(Bounds{}); got != 6 {
		t.Errorf("Decimals(none) = %d, want 6", got)
	}
}

// What is printed never exceeds the figure, and is less than one unit of its last decimal below it.
func TestPrintedAvailabilityNeverExceedsTheFigure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		den := rapid.Int64Range(1, 1<<40).Draw(t, "den")
		r := big.NewRat(rapid.Int64Range(0, den).Draw(t, "num"), den)
		d := rapid.IntRange(2, 6).Draw(t, "decimals")
		printed := pct(FormatAvailability(r, d))
		gap := new(big.Rat).Sub(r, printed)
		if gap.Sign() < 0 || gap.Cmp(new(big.Rat).SetFrac(big.NewInt(1), power10(d+2))) >= 0 {
			t.Fatalf("%s printed as %s", r, FormatAvailability(r, d))
		}
	})
}

func FuzzParseShare(f *testing.F) {
	for _, s := range []string{"99.9%", "0%", "%", "1e9%", "-3%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseShare(text)
		if err != nil {
			return
		}
		if again, err := ParseShare(FormatShare(r)); err != nil || again.Cmp(r) != 0 {
			t.Fatalf("%q became %q: %v", text, FormatShare(r), err)
		}
	})
}

func FuzzParseMoney(f *testing.F) {
	for _, s := range []string{"12000.00", "0", "9.999", "92233720368547758.08"} {
		f.Add(s, uint8(2))
	}
	f.Fuzz(func(t *testing.T, text string, digits uint8) {
		c := Currency{"XXX", int(digits % 5)}
		minor, err := ParseMoney(text, c)
		if err != nil {
			return
		}
		if again, err := ParseMoney(FormatMoney(minor, c), c); err != nil || again != minor {
			t.Fatalf("%q became %q: %v", text, FormatMoney(minor, c), err)
		}
	})
}
