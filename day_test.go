package uptally_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

func fold(rs ...uptally.Result) uptally.Day { return uptally.FoldDay(home1, fra, day, rs) }

func TestFoldDay(t *testing.T) {
	up := func(at int64) uptally.Result { return result(home1, at, 0, uptally.OK, 10, "") }
	for _, c := range []struct {
		name string
		in   []uptally.Result
		want []uptally.Run
		rtt  []int64
	}{
		{"nothing", nil, nil, []int64{}},
		{"one", []uptally.Result{up(5)}, []uptally.Run{{At: start + 5, N: 1}}, []int64{10}},
		{"a grid", []uptally.Result{up(0), up(31_000), up(62_000)}, []uptally.Run{{At: start, Step: 31_000, N: 3}}, []int64{10, 10, 10}},
		{
			"an odd instant takes the first of the grid with it", []uptally.Result{up(0), up(13), up(44), up(75), up(106)},
			[]uptally.Run{{At: start, Step: 13, N: 2}, {At: start + 44, Step: 31, N: 3}}, []int64{10, 10, 10, 10, 10},
		},
		{
			"a reason in between", []uptally.Result{up(0), result(home1, 31, 0, uptally.Status, 7, "503"), up(62), up(93)},
			[]uptally.Run{{At: start, N: 1}, {At: start + 31, N: 1, Reason: uptally.Status}, {At: start + 62, Step: 31, N: 2}}, []int64{10, 7, 10, 10},
		},
		{
			"lateness in between", []uptally.Result{up(0), result(home1, 31, 4, uptally.OK, 10, ""), up(62)},
			[]uptally.Run{{At: start, N: 1}, {At: start + 31, N: 1, Late: 4}, {At: start + 62, N: 1}}, []int64{10, 10, 10},
		},
		{"equal twice", []uptally.Result{up(0), up(0), up(0)}, []uptally.Run{{At: start, N: 1}}, []int64{10}},
		{
			"other lateness", []uptally.Result{up(0), result(home1, 0, 1, uptally.OK, 10, "")},
			[]uptally.Run{{At: start, N: 1, Reason: uptally.Conflict}}, []int64{0},
		},
		{
			"other text", []uptally.Result{result(home1, 0, 3, uptally.Status, 9, "502"), result(home1, 0, 3, uptally.Status, 9, "503")},
			[]uptally.Run{{At: start, N: 1, Reason: uptally.Conflict}}, []int64{0},
		},
		{
			"a conflict stays one", []uptally.Result{result(home1, 0, 0, uptally.Conflict, 0, ""), up(0), up(31)},
			[]uptally.Run{{At: start, N: 1, Reason: uptally.Conflict}, {At: start + 31, N: 1}}, []int64{0, 10},
		},
		{
			"others are passed over", []uptally.Result{result(portal, 0, 0, uptally.OK, 1, ""), up(-1), up(uptally.DayMillis), up(9)},
			[]uptally.Run{{At: start + 9, N: 1}}, []int64{10},
		},
	} {
		want := uptally.Day{Check: home1, Site: fra, Day: day, Runs: c.want, RTT: c.rtt}
		if diff := cmp.Diff(want, fold(c.in...)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		slices.Reverse(c.in)
		if diff := cmp.Diff(want, fold(c.in...)); diff != "" {
			t.Errorf("%s, backwards: %s", c.name, diff)
		}
	}
}

// decodeDay reads a day from the two that it is stored as.
func decodeDay(head, body []byte) (uptally.Day, error) {
	d, digest, err := uptally.DecodeRuns(head)
	if err != nil {
		return d, err
	}
	return uptally.Head{Day: d, Digest: digest}.DecodeBody(body)
}

func sampleDay() uptally.Day {
	return fold(result(home1, 1_000, 0, uptally.OK, 12_000, ""), result(home1, 32_000, 0, uptally.OK, 12_100, ""),
		result(home1, 63_000, 2, uptally.ConnectRefused, 300, "refused"), result(home1, 64_000, 0, uptally.OK, 13_000, ""),
		result(home1, 64_000, 0, uptally.OK, 13_001, ""))
}

// The format of sealed evidence; see sampleHex.
const (
	headHex = "01" + "aaaaaaaaaaaaaaaa" + "1111111111111111" + "8ebf02" + "04" + "e807" + // version, check, site, day, 4 results, first
		"98f20102" + "e80701" + // deltas 31000 ×2, 1000 ×1
		"0002" + "0201" + "0001" + // late 0 ×2, 2 ×1, 0 ×1
		"0002" + "0501" + "c20101" + // ok ×2, connect_refused, conflict
		"02" + "9d0401" + "0001" + // buckets 7·64 + 12000>>7 = 541 and the next: 7·64 + 12100>>7 = 542, each once
		"befd77c2be461715b38b2fa31e0269f988eed5a89abd4c7bcea5be2e5e61c537" + // SHA-256 of the above and the times below
		"3347a706" // CRC-32C
	// 0003aee059000075b7f0003aeab8 is
	//   000000000000 001110 101110111000000  expected 0, k = 9; 12,000 is 24,000 in zigzag form, 46·2^9 + 448: too far, 15 bits
	//   1 011001000                          expected 12,000, k = 9; 100 is 200
	//   000000000000 001110 101101101111111  expected 12,012, k = 9; -11,712 is 23,423, 45·2^9 + 383
	//   000000000000 001110 101110101010111  expected 11,948, k = 10; -11,948 is 23,895, 23·2^10 + 343
	bodyHex = "02" + "0003aee059000075b7f0003aeab8" + "165448e5"
	// the same as version 1 had it: zigzag differences
	varHex = "01" + "c0bb01" + "c801" + "afb801" + "d704" + "24f959b1"
)

func TestDayBytes(t *testing.T) {
	d := sampleDay()
	head, err := d.AppendHead([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	head, _ = bytes.CutPrefix(head, []byte("before"))
	if got := hex.EncodeToString(head); got != headHex {
		t.Errorf("head:\ngot  %s\nwant %s", got, headHex)
	}
	body := d.AppendBody([]byte("before"))
	body, _ = bytes.CutPrefix(body, []byte("before"))
	if got := hex.EncodeToString(body); got != bodyHex {
		t.Errorf("body:\ngot  %s\nwant %s", got, bodyHex)
	}
}

// Version 1 had the payload as it is. It is read, and belongs to the same head.
func TestDecodeBodyVersion1(t *testing.T) {
	head, err := sampleDay().AppendHead(nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(varHex)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeDay(head, body)
	if diff := cmp.Diff(sampleDay(), got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

// Any response times come back, however they jump.
func TestTimesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rs []uptally.Result
		for i, v := range rapid.SliceOfN(anyTimes(), 1, 9).Draw(t, "stretches") {
			for k, rtt := range v {
				rs = append(rs, result(home1, int64(i*1_000+k), 0, uptally.OK, rtt, ""))
			}
		}
		d := fold(rs...)
		head, err := d.AppendHead(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeDay(head, d.AppendBody(nil))
		if diff := cmp.Diff(d, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

func TestDayRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := fold(anyDay().Draw(t, "results")...)
		if d.Len() == 0 {
			t.Skip()
		}
		head, err := d.AppendHead(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := uptally.DecodeHead(head)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.Runs, h.Day.Runs); diff != "" {
			t.Fatal(diff)
		}
		got, err := h.DecodeBody(d.AppendBody(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Fatal(diff)
		}
		got, err = decodeDay(head, d.AppendBody(nil))
		if diff := cmp.Diff(d, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

// anyDay draws results of one series, on a grid with odd ones between, now and then in conflict.
func anyDay() *rapid.Generator[[]uptally.Result] {
	return rapid.Custom(func(t *rapid.T) []uptally.Result {
		rs := rapid.SliceOfN(anyResult(), 0, 8).Draw(t, "odd")
		for i := range rs {
			rs[i].Check = home1
		}
		step := rapid.Int64Range(1, 40_000).Draw(t, "step")
		reason := uptally.OK
		for k := range rapid.Int64Range(0, 60).Draw(t, "grid") {
			if rapid.IntRange(0, 9).Draw(t, "change") == 0 {
				reason = anyReason().Draw(t, "reason")
			}
			late := rapid.OneOf(rapid.Just(int32(0)), rapid.Int32Range(0, 2)).Draw(t, "late")
			rs = append(rs, result(home1, k*step, late, reason, rapid.Int64Range(0, 1<<20).Draw(t, "rtt"), ""))
		}
		return rs
	})
}

// Promises P5 and P6: order, repetition and how it was cut change nothing.
func TestFoldDayAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := anyDay().Draw(t, "results")
		again := slices.Clone(rs)
		if len(rs) > 0 {
			again = append(again, rapid.SliceOf(rapid.SampledFrom(rs)).Draw(t, "repeated")...)
		}
		if diff := cmp.Diff(fold(rs...), fold(rapid.Permutation(again).Draw(t, "order")...)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The folded day holds what a map from instant to the set of its results says.
func TestFoldDayAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := anyDay().Draw(t, "results")
		want := map[int64]uptally.Result{}
		for _, r := range rs {
			if old, ok := want[r.At]; ok && old != r {
				r = uptally.Result{Slot: r.Slot, Reason: uptally.Conflict}
			}
			want[r.At] = r
		}
		prev := int64(math.MinInt64)
		for r := range fold(rs...).Results() {
			w := want[r.At]
			w.Detail = ""
			if r != w || r.At <= prev {
				t.Fatalf("got %+v after %d, want %+v", r, prev, w)
			}
			prev = r.At
			delete(want, r.At)
		}
		if len(want) > 0 {
			t.Fatalf("lost %v", want)
		}
	})
}

func TestResultsStops(t *testing.T) {
	n := 0
	for range sampleDay().Results() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d results, want 1", n)
	}
}

func TestHeadRefuses(t *testing.T) {
	d := sampleDay()
	headOnly := d
	headOnly.RTT = nil
	split := fold(result(home1, 0, 0, uptally.OK, 1, ""))
	split.Runs, split.RTT = append(split.Runs, uptally.Run{At: start + 1, N: 1}), []int64{1, 1}
	unknown := fold(result(home1, 0, 0, uptally.OK, 1, ""))
	unknown.Runs[0].Reason = uptally.NoData
	timed := fold(result(home1, 0, 0, uptally.Conflict, 0, ""))
	timed.RTT[0] = 5
	for _, c := range []struct {
		name string
		d    uptally.Day
		want string
	}{
		{"empty", fold(), "encode head: got no result, want at least one"},
		{"read from its head", headOnly, "encode head: got 0 response times, want 4"},
		{"runs not maximal", split, "encode head: run 1: got it at 1764547200001, want it after run 0 and no part of it"},
		{"no data", unknown, "encode head: run 0: got no_data, want a reason of up, down, void or missed"},
		{"conflict with a time", timed, "encode head: got response time 5 of result 0 (conflict), want 0 or, where it has one, more"},
	} {
		if got, err := c.d.AppendHead([]byte("x")); err == nil || err.Error() != c.want || string(got) != "x" {
			t.Errorf("%s: got %q, %v, want %s", c.name, got, err, c.want)
		}
	}
}

// A body belongs to one head; every other is refused.
func TestDecodeBodyRefuses(t *testing.T) {
	h, err := sampleDay().Head()
	if err != nil {
		t.Fatal(err)
	}
	other := sampleDay()
	other.RTT = []int64{12_000, 12_100, 301, 0}
	short := sampleDay()
	short.RTT = short.RTT[:3]
	long := sampleDay()
	long.RTT = append(long.RTT, 0)
	whole, err := hex.DecodeString(bodyHex)
	if err != nil {
		t.Fatal(err)
	}
	padded := slices.Clone(whole[:len(whole)-4])
	padded[len(padded)-1] |= 1
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"other times", other.AppendBody(nil), "decode body: got digest 9c7b27a468db2ab5dc7fb7ff819227023766a23082858aebb437143f63e48c1e, want " + headHex[len(headHex)-72:len(headHex)-8]},
		{"a time less", short.AppendBody(nil), "decode body: got 10 bytes, want response times of more"},
		{"a time more", long.AppendBody(nil), "decode body: got 35 bits after the last response time, want less than 8, all 0"},
		{"bits after the last", sign(padded), "decode body: got 3 bits after the last response time, want less than 8, all 0"},
		{"nothing", nil, "decode body: checksum differs"},
		{"nothing in it", sign([]byte{2}), "decode body: got 0 bytes, want 4 response times"},
		{"a newer version", sign([]byte{3}), "decode body: got version 3, want 2"},
		// 0000 0000 0000 | 000011 | 1111: 15 needs no twelve zeros where k is 9
		{"a distance too long", sign([]byte{2, 0x00, 0x00, 0xfc}), "decode body: got distance 15 after 12 zeros, want the shortest form"},
		// 1 | 000000001: before 0
		{"before 0", sign([]byte{2, 0x80, 0x40}), "decode body: got response time -1 µs, want 0 or more"},
		{"damaged", append([]byte{9}, whole...), "decode body: checksum differs"},
	} {
		if _, err := h.DecodeBody(c.data); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// A head whose latencies are not those of its results, under a digest that covers them.
func TestDecodeBodyIsStrict(t *testing.T) {
	d := sampleDay()
	payload, err := hex.DecodeString(varHex)
	if err != nil {
		t.Fatal(err)
	}
	head, err := d.AppendHead(nil)
	if err != nil {
		t.Fatal(err)
	}
	chunk := head[:len(head)-36]
	chunk[len(chunk)-5]++ // the first bucket: 542, not 541
	digest := sha256.Sum256(slices.Concat(chunk, payload[1:len(payload)-4]))
	head = sign(append(chunk, digest[:]...))
	if _, err := uptally.DecodeHead(head); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeDay(head, d.AppendBody(nil)); err == nil {
		t.Error("got no error, want one")
	}
}

func TestHeadDigest(t *testing.T) {
	head, err := hex.DecodeString(headHex)
	if err != nil {
		t.Fatal(err)
	}
	if got, sound := uptally.HeadDigest(head); !sound || hex.EncodeToString(got[:]) != headHex[len(headHex)-72:len(headHex)-8] {
		t.Errorf("got %x, %v", got, sound)
	}
	for name, data := range map[string][]byte{"nothing": nil, "too short": sign(head[:31]), "damaged": append([]byte{1}, head...)} {
		if _, sound := uptally.HeadDigest(data); sound {
			t.Errorf("%s: got it sound", name)
		}
	}
}

// Where HeadDigest has looked at the checksum, it is not looked at again; all else is.
func TestHeadDecoderChecked(t *testing.T) {
	head, err := sampleDay().AppendHead(nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := uptally.DecodeHead(head)
	if err != nil {
		t.Fatal(err)
	}
	head[len(head)-1] ^= 1
	if _, err := uptally.DecodeHead(head); !errors.Is(err, uptally.ErrDamaged) {
		t.Fatalf("got %v, want %v", err, uptally.ErrDamaged)
	}
	decoder := uptally.HeadDecoder{Checked: true}
	got, err := decoder.Head(head)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(uptally.Sketch{})); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for n := range len(head) {
		if _, err := decoder.Head(head[:n]); err == nil {
			t.Errorf("first %d bytes: got no error, want one", n)
		}
	}
}

func TestDecodeRunsRefuses(t *testing.T) {
	head, err := sampleDay().AppendHead(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		head []byte
		want string
	}{
		{"nothing", nil, "decode head: checksum differs"},
		{"no digest", sign(head[:len(head)-40]), "decode head: got 2 bytes, want a digest"},
		{"a body", sampleDay().AppendBody(nil), "decode head: got version 2, want 1"},
	} {
		if _, _, err := uptally.DecodeRuns(c.head); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// A head of 80 bytes may speak of millions of results: the runs are made without making those.
func TestDecodeHeadCost(t *testing.T) {
	h := uptally.Head{Day: uptally.Day{Check: home1, Site: fra, Day: day, Runs: []uptally.Run{{At: start, Step: 1, N: uptally.DayMillis, Reason: uptally.Status}}}}
	data, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := uptally.DecodeHead(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Day.Len() != 86_400_000 || len(data) > 80 {
		t.Errorf("got %d results in %d bytes", got.Day.Len(), len(data))
	}
	if _, err := got.DecodeBody(sign([]byte{1, 0, 0})); err == nil || err.Error() != "decode body: got 2 bytes, want 86400000 response times" {
		t.Errorf("got %v", err)
	}
}

// One decoder reads many heads into shared arrays: each day stays what a decoder of its own makes of it, also where one is appended to.
func TestHeadDecoderKeepsDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var decoder uptally.HeadDecoder
		var got, want [][]uptally.Run
		for _, rs := range rapid.SliceOfN(rapid.SliceOfN(anyResult(), 1, 40), 1, 20).Draw(t, "days") {
			d := uptally.FoldDay(home1, fra, day, rs)
			data, err := d.AppendHead(nil)
			if err != nil { // no result of the day
				continue
			}
			read, _, err := decoder.Runs(data)
			if err != nil {
				t.Fatal(err)
			}
			got, want = append(got, read.Runs), append(want, d.Runs)
			decoder.Passing = true // takes nothing's place but that of the last one that passed
			last, err := decoder.Head(data)
			if diff := cmp.Diff(d.Runs, last.Day.Runs); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
			decoder.Passing = false
		}
		for _, runs := range got {
			_ = append(runs, uptally.Run{N: -1})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	head, _ := sampleDay().AppendHead(nil)
	f.Add(head[:len(head)-4])
	f.Add(head[:20])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := sign(payload)
		h, err := uptally.DecodeHead(data)
		d, digest, errRuns := uptally.DecodeRuns(data)
		if err != nil {
			return
		}
		if got, sound := uptally.HeadDigest(data); !sound || got != h.Digest {
			t.Fatalf("got digest %x, want %x", got, h.Digest)
		}
		if diff := cmp.Diff(h.Day, d); errRuns != nil || diff != "" || digest != h.Digest {
			t.Fatal(errRuns, diff)
		}
		got, err := h.AppendBinary(nil)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("got %x, want %x", got, data)
		}
	})
}

// FuzzDecodeBody reads any body for the head of any results: what is accepted is the body of that day, in either version.
func FuzzDecodeBody(f *testing.F) {
	body := sampleDay().AppendBody(nil)
	f.Add(body[:len(body)-4])
	old, err := hex.DecodeString(varHex)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(old[:len(old)-4])
	f.Add([]byte{2, 0x00, 0x00, 0xfc})
	f.Add([]byte{1})
	h, err := sampleDay().Head()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := h.DecodeBody(sign(payload))
		if err != nil {
			return
		}
		if diff := cmp.Diff(sampleDay(), d); diff != "" {
			t.Fatal(diff)
		}
		if got := d.AppendBody(nil); payload[0] == 2 && !bytes.Equal(got, sign(payload)) {
			t.Fatalf("got %x, want %x", got, sign(payload))
		}
	})
}

// FuzzTimes reads any bits as the body of a day of a thousand results. Its digest refuses nearly all; none panics.
func FuzzTimes(f *testing.F) {
	d := fold(aDay(1_000)...)
	body := d.AppendBody(nil)
	f.Add(body[:len(body)-4])
	f.Add(bytes.Repeat([]byte{2}, 900))
	h, err := d.Head()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if got, err := h.DecodeBody(sign(payload)); err == nil && !slices.Equal(got.RTT, d.RTT) {
			t.Fatalf("got %v, want %v", got.RTT, d.RTT)
		}
	})
}
