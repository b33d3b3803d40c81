package delivery_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/uptally/uptally"
	"github.com/uptally/uptally/ledger/delivery"
)

func header() delivery.Header {
	return delivery.Header{
		Incarnation: 0x1111, Epoch: 0x2222, Acknowledged: []delivery.Numbered{{Epoch: 0x2222, Seq: 7}, {Epoch: 0x1111, Seq: 300}},
		Clock: delivery.Clock{SentAt: 1_764_547_200_000_001, Offset: -250, Bound: 900},
	}
}

// noise is bytes that nothing compresses.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestFrame(t *testing.T) {
	f := delivery.NewFraming()
	for _, c := range []struct {
		name    string
		batches [][]byte
	}{
		{"heartbeat", nil},
		{"one", [][]byte{noise(300)}},
		{"as many as fit uncompressed", slices.Repeat([][]byte{noise(250_000)}, 4)},
		// 31 · 262,144 = 8,126,464 zero bytes are 700 times smaller compressed: filled up to a hundredth
		{"hardly anything in much", slices.Repeat([][]byte{make([]byte, uptally.MaxBatch)}, 31)},
		{"one zero byte", [][]byte{{0}}},
	} {
		data, err := f.Append([]byte("before"), header(), c.batches)
		if err != nil || !bytes.HasPrefix(data, []byte("before")) {
			t.Fatalf("%s: %v", c.name, err)
		}
		h, batches, err := f.Decode(data[len("before"):])
		if diff := cmp.Diff(header(), h); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
		if !slices.EqualFunc(batches, c.batches, bytes.Equal) {
			t.Errorf("%s: got %d other batches", c.name, len(batches))
		}
	}
}

// What an honest agent cannot send is refused where it is made, so that no retry is spent on it.
func TestFrameTooLarge(t *testing.T) {
	f := delivery.NewFraming()
	for name, batches := range map[string][][]byte{
		"compressed":   {noise(600_000), noise(500_000)},
		"decompressed": slices.Repeat([][]byte{make([]byte, uptally.MaxBatch)}, 33),
		"batches":      slices.Repeat([][]byte{{1}}, 4_097),
	} {
		data, err := f.Append([]byte{9}, header(), batches)
		if !errors.Is(err, delivery.ErrTooLarge) || len(data) != 1 {
			t.Errorf("%s: got %v and %d bytes, want %v", name, err, len(data), delivery.ErrTooLarge)
		}
	}
}

// frame is a request around bytes of zstd that somebody else made.
func frame(zipped []byte) []byte {
	head := []byte(`{}`)
	return slices.Concat([]byte{1, byte(len(head))}, head, zipped)
}

func zipped(t testing.TB, plain []byte) []byte {
	e, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(plain, nil)
}

// streamed is a frame that does not tell its size.
func streamed(t testing.TB, plain []byte) []byte {
	var buf bytes.Buffer
	e, err := zstd.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, half := range [][]byte{plain[:len(plain)/2], plain[len(plain)/2:]} {
		if _, err := e.Write(half); err != nil {
			t.Fatal(err)
		}
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// filled adds 100 bytes that decoders pass over.
func filled(zipped []byte) []byte {
	return slices.Concat(zipped, []byte{0x50, 0x2a, 0x4d, 0x18, 100, 0, 0, 0}, make([]byte, 100))
}

func batchOf(plain []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(plain))), plain...)
}

func TestFrameBombs(t *testing.T) {
	f := delivery.NewFraming()
	small := zipped(t, batchOf(noise(100)))
	for _, c := range []struct {
		name string
		data []byte
		want string
		size bool
	}{
		{"nothing", nil, "decode request: got version , want 1", false},
		{"newer version", []byte{2, 0}, "decode request: got version 02, want 1", false},
		{"header of 16 KiB and more", append([]byte{1, 0x81, 0x80, 1}, make([]byte, 17<<10)...), "decode request: read header: got 16385 bytes, want at most 16384: request is too large", true},
		{"header cut", []byte{1, 5, '{'}, "decode request: read header: got 1 bytes, want 5", false},
		{"header is no JSON", []byte{1, 1, '{'}, "decode request: read header: unexpected end of JSON input", false},
		{"request of more than 1 MiB", frame(make([]byte, 1<<20)), "decode request: got 1048580 bytes, want at most 1048576: request is too large", true},
		{"no zstd", frame([]byte("PK\x03\x04 and so on")), "decode request: read frame: invalid input: magic number mismatch", false},
		{"1,000 times as large", frame(zipped(t, make([]byte, 4<<20))), "decode request: got 4194304 bytes in 451, want at most 45100: request is too large", true},
		{"32 MiB", frame(zipped(t, append(noise(900_000), make([]byte, 31<<20)...))), "decode request: got 33405856 bytes in 904409, want at most 8388608: request is too large", true},
		{"size not told", frame(streamed(t, make([]byte, 4<<20))), "decode request: read frame: got one that does not tell its size, want one that does", false},
		{"a second frame behind", frame(slices.Concat(small, zipped(t, make([]byte, 9_000)))), "decode request: read frame: decompressed size exceeds configured limit: request is too large", true},
		{"a second frame behind that does not tell its size", frame(slices.Concat(small, streamed(t, make([]byte, 9_000)))), "decode request: read frame: decompressed size exceeds configured limit: request is too large", true},
		{"batch cut", frame(zipped(t, []byte{3, 1, 2})), "decode request: read batch 0: got 2 bytes, want 3", false},
		{"batch of more than 256 KiB", frame(zipped(t, batchOf(noise(uptally.MaxBatch+1)))), "decode request: read batch 0: got 262145 bytes, want at most 262144: request is too large", true},
		{"4,097 batches", frame(filled(zipped(t, make([]byte, 4_097)))), "decode request: got more than 4096 batches: request is too large", true},
	} {
		_, batches, err := f.Decode(c.data)
		if err == nil || err.Error() != c.want || errors.Is(err, delivery.ErrTooLarge) != c.size || batches != nil {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

// The buffer is as large as the limit allows and no larger, whatever a frame claims of itself.
func TestFrameAllocates(t *testing.T) {
	f := delivery.NewFraming()
	bomb := frame(zipped(t, make([]byte, 7<<20)))
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, _, err := f.Decode(bomb); !errors.Is(err, delivery.ErrTooLarge) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 64<<10 {
		t.Errorf("got %d bytes allocated for a bomb of %d, want at most 64 KiB", allocated, len(bomb))
	}
}

func FuzzFrame(f *testing.F) {
	framing := delivery.NewFraming()
	for _, batches := range [][][]byte{nil, {noise(40)}, {{}, {1}, noise(3)}, {make([]byte, 5_000)}} {
		data, err := framing.Append(nil, header(), batches)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(frame(streamed(f, make([]byte, 10))))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, batches, err := framing.Decode(data)
		if err != nil {
			return
		}
		total := 0
		for _, b := range batches {
			total += len(b)
		}
		if total > delivery.MaxBatches || total > delivery.MaxRatio*len(data) {
			t.Fatalf("got %d bytes out of %d", total, len(data))
		}
		again, err := framing.Append(nil, h, batches)
		if errors.Is(err, delivery.ErrTooLarge) {
			return // it was compressed better
		}
		h2, batches2, errAgain := framing.Decode(again)
		if err != nil || errAgain != nil || !cmp.Equal(h, h2) || !slices.EqualFunc(batches, batches2, bytes.Equal) {
			t.Fatalf("got %v, %v: another request", err, errAgain)
		}
	})
}
