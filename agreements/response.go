package agreements

import (
	"math/big"

	"github.com/uptally/uptally"
)

// ResponseTerms is a limit on response times, in microseconds: of their mean, of the share of results above Over, or of
// a percentile.
type ResponseTerms struct {
	// Mean: the mean is at most AtMost. Percentile, a share such as 95 %: that part of the results is at most AtMost.
	// Otherwise at most the share Share of the results is over AtMost.
	Mean       bool
	Percentile *big.Rat
	Share      *big.Rat
	AtMost     int64
	// FailedOver counts a result without an answer as slower than any limit; otherwise it is left out. A mean leaves it out.
	FailedOver bool
}

func (r ResponseTerms) validate(p *problems, path string) {
	p.want(r.AtMost > 0, path+"at_most", uptally.Duration(r.AtMost/1000).String(), "a length above zero, such as 300ms")
}
