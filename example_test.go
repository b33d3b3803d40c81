package uptally_test

import (
	"fmt"

	"github.com/uptally/uptally"
)

// A batch that comes twice changes nothing; two different results of one slot are a conflict, whichever came first.
func ExampleFoldDay() {
	check, site := uptally.IDOf("portal-home"), uptally.IDOf("fra1")
	at := func(seconds int64) uptally.Slot { return uptally.Slot{Check: check, Site: site, At: seconds * 1000} }
	up := uptally.Result{Slot: at(0), RTT: 12_000}
	refused := uptally.Result{Slot: at(31), Reason: uptally.ConnectRefused, RTT: 400}
	slow := uptally.Result{Slot: at(62), RTT: 95_000}
	other := uptally.Result{Slot: at(62), RTT: 95_001}

	day := uptally.FoldDay(check, site, 0, []uptally.Result{other, refused, up, slow, up, refused})
	for r := range day.Results() {
		fmt.Printf("%2d s %v %v, %d µs\n", r.At/1000, r.Outcome(), r.Reason, r.RTT)
	}
	// Output:
	//  0 s up ok, 12000 µs
	// 31 s down connect_refused, 400 µs
	// 62 s unknown conflict, 0 µs
}
