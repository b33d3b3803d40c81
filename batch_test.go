package uptally_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

const (
	fra    = uptally.ID(0x1111111111111111)
	home1  = uptally.ID(0xaaaaaaaaaaaaaaaa)
	portal = uptally.ID(0xbbbbbbbbbbbbbbbb)
	day    = int32(20_423) // 2025-12-01
	start  = int64(day) * uptally.DayMillis
)

func result(check uptally.ID, at int64, late int32, why uptally.Reason, rtt int64, detail string) uptally.Result {
	return uptally.Result{Slot: uptally.Slot{Check: check, Site: fra, At: start + at}, Late: late, Reason: why, RTT: rtt, Detail: detail}
}

func sample() uptally.Batch {
	return uptally.Batch{
		Agent: 1, Epoch: 2, Seq: 3, Site: fra, Day: day, ClockOffset: -1500, ClockBound: 800,
		Results: []uptally.Result{
			result(home1, 1_000, 0, uptally.OK, 12_000, ""),
			result(home1, 32_000, 0, uptally.OK, 12_100, ""),
			result(home1, 63_000, 2, uptally.ConnectRefused, 300, "dial: refused"),
			result(home1, 64_000, 0, uptally.Local, 0, "connect_timeout; tcp://192.0.2.1:53 connect_timeout"),
			result(portal, 86_399_999, 0, uptally.Paused, 0, ""),
		},
	}
}

// The format of the evidence: these bytes are on disks and in statements. They never change; a new version gets a new test.
const sampleHex = "01" + // version
	"0000000000000001" + "0000000000000002" + "03" + // agent, epoch, seq
	"1111111111111111" + "8ebf02" + "b717" + "a006" + // site, day 20423, offset -1500, bound 800
	"02" + // checks
	"aaaaaaaaaaaaaaaa" + "04" + "e807" + // check, 4 results, first at 1000
	"98f20102" + "e80701" + // deltas 31000 ×2, 1000 ×1
	"0002" + "0201" + "0001" + // late 0 ×2, 2 ×1, 0 ×1
	"0002" + "0501" + "800101" + // ok ×2, connect_refused ×1, local ×1
	"c0bb01" + "c801" + "afb801" + "d704" + // +12000, +100, -11800, -300 µs
	"02" + // details
	"02" + "0d" + "6469616c3a2072656675736564" +
	"00" + "33" + "636f6e6e6563745f74696d656f75743b207463703a2f2f3139322e302e322e313a353320636f6e6e6563745f74696d656f7574" +
	"bbbbbbbbbbbbbbbb" + "01" + "ffb79929" + // check, 1 result at 23:59:59.999
	"0001" + "a10101" + "00" + "00" + // late 0, paused, no response time, no detail
	"e2fcb00f" // CRC-32C

func TestBatchBytes(t *testing.T) {
	b := sample()
	data, err := b.AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	data, found := bytes.CutPrefix(data, []byte("before"))
	if got := hex.EncodeToString(data); !found || got != sampleHex {
		t.Errorf("bytes:\ngot  %s\nwant %s", got, sampleHex)
	}
	if crc, sound := uptally.CRC(data); crc != 0xe2fcb00f || !sound {
		t.Errorf("got CRC %#x, sound %v", crc, sound)
	}
	got, err := uptally.DecodeBatch(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeBatchRefuses(t *testing.T) {
	long := strings.Repeat("x", uptally.MaxDetail+1)
	for _, c := range []struct {
		name string
		do   func(b *uptally.Batch)
		want string
	}{
		{"no result", func(b *uptally.Batch) { b.Results = nil }, "got no result, want at least one"},
		{"no number", func(b *uptally.Batch) { b.Seq = 0 }, "got seq 0, want 1 or more"},
		{"negative bound", func(b *uptally.Batch) { b.ClockBound = -1 }, "got clock bound -1, want 0 or more"},
		{"unsorted", func(b *uptally.Batch) { slices.Reverse(b.Results) }, "result 1: got it not after the one before, want all sorted and different"},
		{"twice", func(b *uptally.Batch) { b.Results[1] = b.Results[0] }, "result 1: got it not after the one before, want all sorted and different"},
		{"other site", func(b *uptally.Batch) { b.Results[0].Site = 1 }, "result 0: got site 0000000000000001, want 1111111111111111"},
		{"day before", func(b *uptally.Batch) { b.Results[0].At = start - 1 }, "result 0: got instant 1764547199999 of day 20422, want day 20423"},
		{"day after", func(b *uptally.Batch) { b.Results[4].At++ }, "result 4: got instant 1764633600000 of day 20424, want day 20423"},
		{"early", func(b *uptally.Batch) { b.Results[0].Late = -1 }, "result 0: got late -1 and response time 12000, want 0 or more"},
		{"faster than light", func(b *uptally.Batch) { b.Results[0].RTT = -1 }, "result 0: got late 0 and response time -1, want 0 or more"},
		{"no such reason", func(b *uptally.Batch) { b.Results[0].Reason = 100 }, "result 0: got reason(100), want a reason of up, down, void or missed"},
		{"the ledger's word", func(b *uptally.Batch) { b.Results[0].Reason = uptally.Conflict }, "result 0: got conflict, want a reason of up, down, void or missed"},
		{"up with text", func(b *uptally.Batch) { b.Results[0].Detail = "fine" }, `result 0: got detail "fine" of a result that is up, want none`},
		{"long text", func(b *uptally.Batch) { b.Results[2].Detail = long }, "result 2: got a detail of 513 bytes, want at most 512"},
		{"bad text", func(b *uptally.Batch) { b.Results[2].Detail = "\xff" }, `result 2: got detail "\xff", want UTF-8`},
	} {
		b := sample()
		c.do(&b)
		data, err := b.AppendBinary([]byte("before"))
		if err == nil || err.Error() != "encode batch: "+c.want || string(data) != "before" {
			t.Errorf("%s: got %q, %v, want before, %s", c.name, data, err, c.want)
		}
	}
}

func TestEncodeBatchTooLong(t *testing.T) {
	b := sample()
	b.Results = nil
	for i := range int64(600) { // 600 × (512 + some 3) bytes > 256 KiB = 262,144
		b.Results = append(b.Results, result(home1, i, 0, uptally.Status, 0, strings.Repeat("x", uptally.MaxDetail)))
	}
	if data, err := b.AppendBinary(nil); err == nil || data != nil {
		t.Errorf("got %d bytes, %v, want an error", len(data), err)
	}
}

// sign gives a payload the CRC that belongs to it.
func sign(payload []byte) []byte {
	sum := crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
	return append(slices.Clone(payload), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// Each row is the golden batch with one place written otherwise and a CRC that fits, so that it is refused for what it says.
func TestDecodeBatchRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"next version", "01" + "0000000000000001", "02" + "0000000000000001", "got version 2, want 1"},
		{"seq 0", "0203" + "11", "0200" + "11", "got seq 0 with 5 results, want at least 1 of each"},
		{"seq in two bytes", "0203" + "11", "028300" + "11", "got no shortest varint, want a seq"},
		{"no checks", "a00602", "a00600", "got seq 3 with 0 results, want at least 1 of each"},
		{"more checks than bytes", "a00602", "a006ff7f", "got a number of checks 16383, want at most 132"},
		{"check without result", "aa04", "aa00", "got no result of check aaaaaaaaaaaaaaaa, want at least one"},
		{"more results than bytes", "aa04", "aaffffff7f", "got a number of results 268435455, want at most 125"},
		{"checks descending", "bbbbbbbbbbbbbbbb", "0bbbbbbbbbbbbbbb", "got check 0bbbbbbbbbbbbbbb after aaaaaaaaaaaaaaaa, want ascending"},
		{"same check again", "bbbbbbbbbbbbbbbb", "aaaaaaaaaaaaaaaa", "got check aaaaaaaaaaaaaaaa after aaaaaaaaaaaaaaaa, want ascending"},
		{"first instant tomorrow", "ffb79929", "80b89929", "got an instant of the day 86400000, want at most 86399999"},
		{"later instant tomorrow", "e80701" + "00", "98b0992901" + "00", "got an instant 86462000 ms into the day, want less than 86400000"},
		{"run not maximal", "98f20102" + "e80701", "98f20101" + "98f20101" + "e80701", "got two runs of delta 31000, want one"},
		{"empty run", "98f20102", "98f20100", "got an empty run of delta 31000, want a count"},
		{"run past the end", "98f20102", "98f20104", "got a count 4, want at most 3"},
		{"late past 32 bits", "0201" + "0001" + "0002", "8080808008" + "01" + "0001" + "0002", "got late 2147483648, want at most 2147483647"},
		{"no such reason", "0501" + "800101", "6401" + "800101", "got reason(100), want a reason of up, down, void or missed"},
		{"the ledger's word", "a10101", "c20101", "got conflict, want a reason of up, down, void or missed"},
		{"negative response time", "d704", "d904", "got response time -1 µs, want 0 or more"},
		{"detail of an up result", "02" + "02" + "0d", "02" + "01" + "0d", `got detail "dial: refused" of a result that is up, want none`},
		{"detail past the last", "02" + "02" + "0d", "02" + "04" + "0d", "got a detail of 13 bytes of result 4 of 4, want a text of one of them"},
		{"empty detail", "0d" + "6469616c3a2072656675736564", "00", "got a detail of 0 bytes of result 2 of 4, want a text of one of them"},
		{"detail not UTF-8", "6469616c", "ff69616c", `got detail "\xffial: refused", want UTF-8`},
		{"detail longer than the rest", "0033", "0083" + "04", "got a length of a detail 515, want at most 512"},
		{"more details than results", "d704" + "02", "d704" + "05", "got a number of details 5, want at most 4"},
		{"cut", "a10101" + "00" + "00", "a10101" + "00", "got no shortest varint, want a number of details"},
		{"trailing byte", "a10101" + "00" + "00", "a10101" + "00" + "00" + "00", "got 1 trailing bytes, want none"},
	} {
		payload := sampleHex[:len(sampleHex)-8]
		if strings.Count(payload, c.old) != 1 {
			t.Errorf("%s: %q stands %d times in the golden bytes, want once", c.name, c.old, strings.Count(payload, c.old))
			continue
		}
		data, err := hex.DecodeString(strings.Replace(payload, c.old, c.new, 1))
		if err != nil {
			t.Fatal(err)
		}
		_, err = uptally.DecodeBatch(sign(data))
		if err == nil || err.Error() != "decode batch: "+c.want {
			t.Errorf("%s:\ngot  %v\nwant decode batch: %s", c.name, err, c.want)
		}
	}
}

// Two different results of one slot may share a batch, but only in one order.
func TestBatchConflictInside(t *testing.T) {
	b := sample()
	b.Results = []uptally.Result{result(home1, 5, 0, uptally.OK, 10, ""), result(home1, 5, 0, uptally.OK, 20, "")}
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uptally.DecodeBatch(data); err != nil {
		t.Fatal(err)
	}
	swapped := bytes.Replace(data[:len(data)-4], []byte{20, 20}, []byte{40, 19}, 1) // +10, +10 µs becomes +20, -10
	if _, err := uptally.DecodeBatch(sign(swapped)); err == nil {
		t.Error("swapped: got no error, want one")
	}
}

func TestDecodeBatchDamaged(t *testing.T) {
	data, err := sample().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		for _, flip := range []byte{1, 0x80} {
			bad := slices.Clone(data)
			bad[i] ^= flip
			if b, err := uptally.DecodeBatch(bad); !errors.Is(err, uptally.ErrDamaged) || b.Results != nil {
				t.Fatalf("byte %d: got %v, want %v", i, err, uptally.ErrDamaged)
			}
		}
		if _, err := uptally.DecodeBatch(data[:i]); !errors.Is(err, uptally.ErrDamaged) {
			t.Fatalf("cut to %d: got %v, want %v", i, err, uptally.ErrDamaged)
		}
	}
	if _, err := uptally.DecodeBatch(make([]byte, uptally.MaxBatch+1)); err == nil || err.Error() != "decode batch: got 262145 bytes, want at most 262144" {
		t.Errorf("got %v", err)
	}
}

// anyReason draws a reason that an agent writes.
func anyReason() *rapid.Generator[uptally.Reason] {
	rs := slices.Concat(uptally.Reasons(uptally.Up), uptally.Reasons(uptally.Down), uptally.Reasons(uptally.Void), uptally.Reasons(uptally.Missed))
	return rapid.OneOf(rapid.Just(uptally.OK), rapid.SampledFrom(rs))
}

// anyResult draws a result at fra and day, of few checks and instants so that they meet.
func anyResult() *rapid.Generator[uptally.Result] {
	return rapid.Custom(func(t *rapid.T) uptally.Result {
		r := uptally.Result{Slot: uptally.Slot{Check: rapid.SampledFrom([]uptally.ID{0, home1, math.MaxUint64}).Draw(t, "check"), Site: fra}}
		at := rapid.OneOf(rapid.Map(rapid.Int64Range(0, 8), func(k int64) int64 { return k * 31_000 }), rapid.Int64Range(0, uptally.DayMillis-1))
		r.At = start + at.Draw(t, "at")
		r.Late = rapid.OneOf(rapid.Just(int32(0)), rapid.Int32Range(0, math.MaxInt32)).Draw(t, "late")
		r.Reason = anyReason().Draw(t, "reason")
		r.RTT = rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, math.MaxInt64)).Draw(t, "rtt")
		if r.Reason != uptally.OK && rapid.Bool().Draw(t, "detailed") {
			r.Detail = rapid.StringN(-1, -1, uptally.MaxDetail).Draw(t, "detail")
		}
		return r
	})
}

func anyBatch() *rapid.Generator[uptally.Batch] {
	return rapid.Custom(func(t *rapid.T) uptally.Batch {
		rs := rapid.SliceOfN(anyResult(), 1, 40).Draw(t, "results")
		slices.SortFunc(rs, uptally.Result.Compare)
		return uptally.Batch{
			Agent: rapid.Uint64().Draw(t, "agent"), Epoch: rapid.Uint64().Draw(t, "epoch"), Seq: rapid.Uint64Min(1).Draw(t, "seq"),
			Site: fra, Day: day, ClockOffset: rapid.Int64().Draw(t, "offset"), ClockBound: rapid.Int64Min(0).Draw(t, "bound"),
			Results: slices.Compact(rs),
		}
	})
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := anyBatch().Draw(t, "batch")
		data, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := uptally.DecodeBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A decoder that believed a length would need far more memory than the bytes it was given.
func TestDecodeBatchAllocates(t *testing.T) {
	b := sample()
	b.Results = nil
	for i := range int64(200_000) {
		b.Results = append(b.Results, result(home1, i, 0, uptally.OK, 0, ""))
	}
	data, err := b.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	// 200,000 results in as many bytes are the worst that is true; a count of 200,000 in a batch of 60 bytes is refused.
	short := sign(slices.Concat(data[:40], bytes.Repeat([]byte{0}, 20)))
	allocs := testing.AllocsPerRun(1, func() {
		if _, err := uptally.DecodeBatch(short); err == nil {
			t.Error("got no error, want one")
		}
	})
	if allocs > 20 {
		t.Errorf("got %v allocations, want a few", allocs)
	}
}

// FuzzDecodeBatch fuzzes what lies before the CRC, so that it reaches the decoder.
func FuzzDecodeBatch(f *testing.F) {
	golden, _ := hex.DecodeString(sampleHex[:len(sampleHex)-8])
	f.Add(golden)
	f.Add(golden[:40])
	f.Add([]byte{1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := sign(payload)
		b, err := uptally.DecodeBatch(data)
		if err != nil {
			return
		}
		got, err := b.AppendBinary(nil)
		if err != nil {
			t.Fatalf("encode what was decoded: %v", err)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("got %x, want %x", got, data)
		}
	})
}
