package configs

import (
	"cmp"
	"fmt"
	"math/big"

	"github.com/uptally/uptally/agreements"
)

// downWhenFile is any or all, or how many.
type downWhenFile struct {
	Word    string `yaml:"="`
	AtLeast *int   `yaml:"at_least"`
	Share   *share `yaml:"share"`
}

// weightsFile is fee, or a number for each service.
type weightsFile struct {
	Word string            `yaml:"="`
	Of   map[string]number `yaml:",inline"`
}

// number is a decimal number without a sign, exact from its text.
type number struct{ *big.Rat }

// UnmarshalText accepts 3 and 2.5.
func (n *number) UnmarshalText(text []byte) error {
	r, err := parsePercent(string(text) + "%")
	if err != nil {
		return fmt.Errorf("got %q, want a number such as 3", text)
	}
	n.Rat = r.Mul(r, big.NewRat(100, 1))
	return nil
}

// combination is how several services make one account.
func (c versionCompiler) combination(f versionFile, v *agreements.Version) {
	if f.DownWhen != nil {
		v.DownWhen = c.downWhen(*f.DownWhen)
	}
	if f.Figure != "" {
		v.Figure = choose(c.d, c.at("figure"), f.Figure,
			option[agreements.FigureRule]{"sum", agreements.FigureSum}, option[agreements.FigureRule]{"mean", agreements.FigureMean},
			option[agreements.FigureRule]{"worst", agreements.FigureWorst}, option[agreements.FigureRule]{"weighted", agreements.FigureWeighted})
	}
	if f.Weights == nil {
		return
	}
	v.WeighByFee = f.Weights.Word == "fee"
	if f.Weights.Word != "" && !v.WeighByFee {
		c.d.complain(c.at("weights"), "fee, or a number for each service")
	}
	for _, s := range sortedKeys(f.Weights.Of) {
		if v.Weights == nil {
			v.Weights = map[string]*big.Rat{}
		}
		v.Weights[s] = cmp.Or(f.Weights.Of[s].Rat, new(big.Rat)) // a bad number was reported already
	}
}

func (c versionCompiler) downWhen(f downWhenFile) agreements.DownWhen {
	d := agreements.DownWhen{All: f.Word == "all", AtLeast: or(f.AtLeast, 0)}
	if f.Share != nil {
		d.Share = f.Share.Rat
	}
	one := 0
	for _, written := range []bool{f.Word != "", f.AtLeast != nil, f.Share != nil} {
		if written {
			one++
		}
	}
	if one != 1 || f.Word != "" && f.Word != "any" && f.Word != "all" || f.AtLeast != nil && *f.AtLeast < 1 {
		c.d.complain(c.at("down_when"), "any, all, { at_least: 2 } or { share: 51% }")
	}
	return d
}
