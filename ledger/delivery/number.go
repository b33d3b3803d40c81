package delivery

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Number names a batch of an agent: its epoch, and its place in the epoch from 1 on.
type Number struct{ Epoch, Seq uint64 }

// String returns the epoch in hexadecimal digits and the number.
func (n Number) String() string { return fmt.Sprintf("%016x/%d", n.Epoch, n.Seq) }

// Range is numbers of one epoch, both ends included.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Ranges are ascending, apart from each other.
type Ranges []Range

// Has reports whether a number lies in one of the ranges.
func (rs Ranges) Has(seq uint64) bool {
	i, found := slices.BinarySearchFunc(rs, seq, func(r Range, seq uint64) int {
		switch {
		case r.To < seq:
			return -1
		case r.From > seq:
			return 1
		}
		return 0
	})
	return found && i < len(rs)
}

// Add returns the ranges with a number more; rs is not used again.
func (rs Ranges) Add(seq uint64) Ranges {
	i := slices.IndexFunc(rs, func(r Range) bool { return seq <= r.To || seq == r.To+1 })
	switch {
	case i < 0:
		return append(rs, Range{seq, seq})
	case rs[i].From <= seq && seq <= rs[i].To:
		return rs
	case seq == rs[i].To+1:
		rs[i].To = seq
		if i+1 < len(rs) && rs[i+1].From == seq+1 {
			rs[i].To = rs[i+1].To
			rs = slices.Delete(rs, i+1, i+2)
		}
		return rs
	case seq+1 == rs[i].From:
		rs[i].From = seq
		return rs
	}
	return slices.Insert(rs, i, Range{seq, seq})
}

// Union returns the numbers that lie in rs or in others; both stay as they are.
func (rs Ranges) Union(others Ranges) Ranges {
	all := slices.Concat(rs, others)
	slices.SortFunc(all, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	joined := all[:0]
	for _, r := range all {
		if n := len(joined); n > 0 && r.From <= joined[n-1].To+1 {
			joined[n-1].To = max(joined[n-1].To, r.To)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// Without returns the numbers of rs that do not lie in others; both stay as they are.
func (rs Ranges) Without(others Ranges) Ranges {
	var left Ranges
	for _, r := range rs {
		for len(others) > 0 && others[0].To < r.From {
			others = others[1:]
		}
		for _, o := range others {
			if o.From > r.To {
				break
			}
			if o.From > r.From {
				left = append(left, Range{r.From, o.From - 1})
			}
			if r.From = o.To + 1; r.From == 0 || r.From > r.To {
				r.From, r.To = 1, 0
				break
			}
		}
		if r.From <= r.To {
			left = append(left, r)
		}
	}
	return left
}

// Len returns how many numbers there are.
func (rs Ranges) Len() (n uint64) {
	for _, r := range rs {
		n += r.To - r.From + 1
	}
	return n
}

// ID is a random or given number of 64 bits; in JSON it is sixteen hexadecimal digits, since JSON's numbers are no integers.
type ID uint64

// String returns sixteen digits.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// MarshalText writes sixteen digits.
func (id ID) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(id)), nil }

// UnmarshalText reads them.
func (id *ID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("got %q, want sixteen hexadecimal digits", text)
	}
	*id = ID(n)
	return nil
}
