package delivery

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/uptally/uptally"
)

const (
	// MaxRatio is how much larger than it travels a request may be when it is decompressed.
	MaxRatio = 100
	// MaxHeader is the longest header of a request in bytes.
	MaxHeader = 16 << 10

	frameVersion = 1
	skippable    = 0x184d2a50 // RFC 8878, section 3.1.2: a frame that decoders pass over
)

// ErrTooLarge is wrapped by errors of requests that are beyond a limit: the same batches fit into several.
var ErrTooLarge = errors.New("request is too large")

// Header stands before the batches of a request.
type Header struct {
	// Incarnation is the one of the last reply.
	Incarnation ID `json:"incarnation"`
	// Epoch is the one in which the agent gives numbers now.
	Epoch ID `json:"epoch"`
	// Acknowledged are the newest acknowledgements that the agent remembers, one of each lane at most. A ledger without one of these
	// batches has gone back in time.
	Acknowledged []Numbered `json:"acknowledged,omitempty"`
	Clock        Clock      `json:"clock"`
	State        State      `json:"state,omitzero"`
}

// Numbered names a batch of an agent in messages.
type Numbered struct {
	Epoch ID     `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// Framing codes requests. It is safe for concurrent use; make it with NewFraming.
type Framing struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewFraming returns a coder of requests.
func NewFraming() *Framing {
	enc, errEnc := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true)) // which makes even a small frame tell its size
	dec, errDec := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxBatches), zstd.WithDecoderMaxWindow(MaxBatches))
	if err := errors.Join(errEnc, errDec); err != nil {
		panic("BUG: make coder of requests: " + err.Error())
	}
	return &Framing{enc, dec}
}

// Append appends a request with batches, or with none:
//
//	version 1 | length of the header: varint | header: JSON | unless there is no batch: one frame of zstd that tells its size,
//	of which each batch has its length: varint, its bytes
//
// What can be compressed a hundredfold is filled up with a frame of zstd that is passed over. The error wraps ErrTooLarge where the
// request would be beyond a limit.
func (f *Framing) Append(dst []byte, h Header, batches [][]byte) ([]byte, error) {
	head, err := json.Marshal(h)
	if err != nil {
		return dst, fmt.Errorf("encode request: %w", err)
	}
	plain := 0
	for _, b := range batches {
		plain += binary.MaxVarintLen32 + len(b)
	}
	if plain > MaxBatches || len(batches) > mostBatches {
		return dst, fmt.Errorf("encode request: got %d batches of %d bytes, want at most %d of %d: %w", len(batches), plain, mostBatches, MaxBatches, ErrTooLarge)
	}
	w := binary.AppendUvarint(append(dst, frameVersion), uint64(len(head)))
	w = append(w, head...)
	if len(batches) > 0 {
		w = f.compress(w, plain, batches)
	}
	if n := len(w) - len(dst); n > MaxRequest {
		return dst, fmt.Errorf("encode request: got %d bytes, want at most %d: %w", n, MaxRequest, ErrTooLarge)
	}
	return w, nil
}

func (f *Framing) compress(dst []byte, room int, batches [][]byte) []byte {
	plain := make([]byte, 0, room)
	for _, b := range batches {
		plain = binary.AppendUvarint(plain, uint64(len(b)))
		plain = append(plain, b...)
	}
	from := len(dst)
	dst = f.enc.EncodeAll(plain, dst)
	if missing := len(plain)/MaxRatio + 1 - (len(dst) - from); missing > 0 {
		dst = binary.LittleEndian.AppendUint32(dst, skippable)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(missing))
		dst = append(dst, make([]byte, missing)...)
	}
	return dst
}

// Decode is the inverse of Append. What it allocates is bounded by MaxBatches and by MaxRatio times len(data), before
// anything is decompressed. The batches share one buffer; their bytes are not looked at. The error wraps ErrTooLarge
// where a limit is the cause.
func (f *Framing) Decode(data []byte) (Header, [][]byte, error) {
	h, batches, err := f.decode(data)
	if err != nil {
		return Header{}, nil, fmt.Errorf("decode request: %w", err)
	}
	return h, batches, nil
}

func (f *Framing) decode(data []byte) (h Header, batches [][]byte, err error) {
	if len(data) > MaxRequest {
		return h, nil, fmt.Errorf("got %d bytes, want at most %d: %w", len(data), MaxRequest, ErrTooLarge)
	}
	if len(data) == 0 || data[0] != frameVersion {
		return h, nil, fmt.Errorf("got version %x, want %d", data[:min(len(data), 1)], frameVersion)
	}
	head, rest, err := cut(data[1:], MaxHeader)
	if err != nil {
		return h, nil, fmt.Errorf("read header: %w", err)
	}
	if err := json.Unmarshal(head, &h); err != nil {
		return h, nil, fmt.Errorf("read header: %w", err)
	}
	if len(rest) == 0 {
		return h, nil, nil
	}
	plain, err := f.decompress(rest)
	if err != nil {
		return h, nil, err
	}
	for len(plain) > 0 {
		var b []byte
		if b, plain, err = cut(plain, uptally.MaxBatch); err != nil {
			return h, nil, fmt.Errorf("read batch %d: %w", len(batches), err)
		}
		if batches = append(batches, b); len(batches) > mostBatches {
			return h, nil, fmt.Errorf("got more than %d batches: %w", mostBatches, ErrTooLarge)
		}
	}
	return h, batches, nil
}

// decompress believes the size that the frame tells as far as the limits go, and takes not a byte more than it.
func (f *Framing) decompress(data []byte) ([]byte, error) {
	size, err := toldSize(data)
	if err != nil {
		return nil, err
	}
	plain, err := f.dec.DecodeAll(data, make([]byte, 0, size))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, fmt.Errorf("read frame: %w: %w", err, ErrTooLarge)
	}
	if err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return plain, nil
}

// toldSize is what a frame says that it holds, where that is within the limits.
func toldSize(data []byte) (int, error) {
	var told zstd.Header
	if err := told.Decode(data); err != nil {
		return 0, fmt.Errorf("read frame: %w", err)
	}
	if !told.HasFCS || told.Skippable {
		return 0, errors.New("read frame: got one that does not tell its size, want one that does")
	}
	if limit := uint64(min(MaxBatches, MaxRatio*len(data))); told.FrameContentSize > limit {
		return 0, fmt.Errorf("got %d bytes in %d, want at most %d: %w", told.FrameContentSize, len(data), limit, ErrTooLarge)
	}
	return int(told.FrameContentSize), nil
}

// cut takes what has its length before it off the front.
func cut(data []byte, limit uint64) (part, rest []byte, err error) {
	n, size := binary.Uvarint(data)
	switch {
	case size <= 0:
		return nil, nil, errors.New("got no length, want a varint")
	case n > limit:
		return nil, nil, fmt.Errorf("got %d bytes, want at most %d: %w", n, limit, ErrTooLarge)
	case n > uint64(len(data)-size):
		return nil, nil, fmt.Errorf("got %d bytes, want %d", len(data)-size, n)
	}
	data = data[size:]
	return data[:n:n], data[n:], nil
}

// Size returns how many bytes Decode will need for the batches of a request; its error is the one of Decode where the limits
// are the cause.
func (f *Framing) Size(data []byte) (int, error) {
	if len(data) == 0 || data[0] != frameVersion {
		return 0, nil
	}
	_, rest, err := cut(data[1:], MaxHeader)
	if err != nil || len(rest) == 0 {
		return 0, nil
	}
	n, err := toldSize(rest)
	if err != nil {
		return 0, fmt.Errorf("decode request: %w", err)
	}
	return n, nil
}
