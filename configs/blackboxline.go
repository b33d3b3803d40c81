package configs

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// lineExpression turns an expression that blackbox_exporter holds against one line at a time, without its end, into one for
// all that was read: it matches within one whole line, together with the rest of that line. Its groups never hold the line's
// end. groups says that they are used. The expression is valid.
func lineExpression(expr string, groups bool) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return expr
	}
	const rest = `.*\n`
	if !strings.Contains(expr, "(?") && !strings.Contains(expr, `\A`) && staysInLine(re, groups) {
		if strings.Contains(expr, "|") {
			expr = "(?:" + expr + ")"
		}
		if strings.Contains(expr, "^") {
			expr = "(?m)" + expr
		}
		return expr + rest
	}
	if re = inLine(re); re.Op == syntax.OpAlternate {
		return "(?:" + re.String() + ")" + rest
	}
	return re.String() + rest
}

// staysInLine reports whether, line ends marked by (?m), an expression is held to one line as it is written. A dot takes the
// carriage return before the line feed, which does not matter only where it may take nothing and ends up in no group.
func staysInLine(re *syntax.Regexp, groups bool) bool {
	switch re.Op {
	case syntax.OpEndText, syntax.OpEndLine, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpStar:
		if re.Sub[0].Op == syntax.OpAnyCharNotNL {
			return !groups
		}
	case syntax.OpCharClass:
		return slices.Equal(withoutLineEnds(re.Rune), re.Rune)
	}
	return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !staysInLine(s, groups) })
}

// inLine rewrites an expression in place: nothing in it but a literal matches a line's end, and its anchors are those of a line.
func inLine(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpBeginText:
		re.Op = syntax.OpBeginLine
	case syntax.OpEndText, syntax.OpEndLine:
		return lineEnd()
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return &syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x10FFFF}}
	case syntax.OpCharClass:
		re.Rune = withoutLineEnds(re.Rune)
		if len(re.Rune) == 0 {
			re.Op = syntax.OpNoMatch
		}
	}
	for i, sub := range re.Sub {
		re.Sub[i] = inLine(sub)
	}
	return re
}

// lineEnd is the end of a line that may end in a carriage return and a line feed.
func lineEnd() *syntax.Regexp {
	re, err := syntax.Parse(`\r?(?m:$)`, syntax.Perl)
	if err != nil {
		panic(fmt.Sprintf("BUG: parse the end of a line: %v", err))
	}
	return re
}

// withoutLineEnds takes line feed and carriage return out of the ranges of a class.
func withoutLineEnds(ranges []rune) []rune {
	for _, end := range []rune{'\n', '\r'} {
		var out []rune
		for i := 0; i+1 < len(ranges); i += 2 {
			low, high := ranges[i], ranges[i+1]
			if end < low || high < end {
				out = append(out, low, high)
				continue
			}
			if low < end {
				out = append(out, low, end-1)
			}
			if end < high {
				out = append(out, end+1, high)
			}
		}
		ranges = out
	}
	return ranges
}

// anyOf is one expression that matches where one of several does; empty where there are none.
func anyOf(exprs []string) string {
	switch {
	case len(exprs) == 0:
		return ""
	case len(exprs) == 1 && exprs[0] != "":
		return exprs[0]
	case len(exprs) == 1:
		return "(?:)"
	}
	return "(?:" + strings.Join(exprs, ")|(?:") + ")"
}
