package agreements

import (
	"fmt"
	"math/big"
	"strings"
)

// ParseShare reads a percentage such as "99.9%" as the exact fraction 999/1000. The sign is part of the text; there is
// no limit at 100 %, since a cap or a multiple may lie above it. The error quotes the text.
func ParseShare(text string) (*big.Rat, error) {
	number, ok := strings.CutSuffix(text, "%")
	if !ok || !isDecimal(number) {
		return nil, fmt.Errorf("parse share: got %q, want a percentage such as 99.9%%", text)
	}
	r, _ := new(big.Rat).SetString(number)
	return r.Quo(r, big.NewRat(100, 1)), nil
}

// FormatShare is the inverse of ParseShare: the shortest exact text, such as "99.9%". A fraction without an end in
// decimals is cut off at six.
func FormatShare(r *big.Rat) string {
	percent := new(big.Rat).Mul(r, big.NewRat(100, 1))
	digits, exact := percent.FloatPrec()
	if !exact {
		return FormatAvailability(r, maxDecimals)
	}
	return percent.FloatString(digits) + "%"
}

// ParseMoney reads an amount in major units, such as "12000.00" or "12000" for EUR, as minor units. The decimals are
// those of the currency or none; there is no sign. The error quotes the text.
func ParseMoney(text string, c Currency) (int64, error) {
	whole, decimals, dotted := strings.Cut(text, ".")
	amount, ok := new(big.Int).SetString(whole+decimals, 10)
	switch {
	case !isDecimal(text), dotted && len(decimals) != c.Digits, !ok:
		return 0, fmt.Errorf("parse amount: got %q, want %s such as %q", text, c.Code, FormatMoney(12000*power10(c.Digits).Int64(), c))
	case !dotted:
		amount.Mul(amount, power10(c.Digits))
	}
	if !amount.IsInt64() {
		return 0, fmt.Errorf("parse amount: got %q, want at most %q", text, FormatMoney(1<<63-1, c))
	}
	return amount.Int64(), nil
}

// FormatMoney writes minor units as decimal text in major units with the currency's decimals, such as "12000.00".
func FormatMoney(minor int64, c Currency) string {
	return new(big.Rat).SetFrac(big.NewInt(minor), power10(c.Digits)).FloatString(c.Digits)
}

// FormatAvailability writes a fraction of one as a percentage with so many decimals, cut off and never rounded up, such
// as "99.902%": what is below a target never reads as if it met it. A nil fraction gives "".
func FormatAvailability(r *big.Rat, decimals int) string {
	if r == nil {
		return ""
	}
	scaled := new(big.Int).Mul(r.Num(), power10(2+decimals))
	scaled.Div(scaled, r.Denom()) // Euclidean, and the denominator is positive: toward −∞
	return new(big.Rat).SetFrac(scaled, power10(decimals)).FloatString(decimals) + "%"
}

const minDecimals, maxDecimals = 2, 6

// Decimals returns how many decimals of a percentage the bounds support: the smallest of 2 to 6 for which high − low is
// at least 10^−d percentage points, else 6. Source: docs/measuring.md, A10.
func Decimals(b Bounds) int {
	if b.Low == nil || b.High == nil {
		return maxDecimals
	}
	width := new(big.Rat).Sub(b.High, b.Low)
	for d := minDecimals; d < maxDecimals; d++ {
		if width.Cmp(new(big.Rat).SetFrac(big.NewInt(1), power10(2+d))) >= 0 {
			return d
		}
	}
	return maxDecimals
}

// isDecimal reports whether s is digits, or digits with one point between them.
func isDecimal(s string) bool {
	whole, decimals, dotted := strings.Cut(s, ".")
	return isDigits(whole) && (!dotted || isDigits(decimals))
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

func power10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
