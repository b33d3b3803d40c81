package export

import (
	"io"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/uptally/uptally"
)

// row is what a table has; its exported fields are the columns of a Parquet file.
type row interface {
	// header returns the first line of a CSV file, appendCSV one of the others; neither ends it.
	header() string
	appendCSV(dst []byte) []byte
}

const (
	// batchRows are handed on at once.
	batchRows = 1024
	// groupRows is the size of a row group: a reader takes one of them at a time, and a writer keeps it in memory, compressed.
	groupRows = 1 << 20
)

// table gathers rows and hands them on in batches.
type table[R row] struct {
	batch []R
	put   func([]R) error
	end   func() error
}

func newTable[R row](f Format, w io.Writer) *table[R] {
	t := &table[R]{batch: make([]R, 0, batchRows)}
	if f == Parquet {
		p := parquet.NewGenericWriter[R](w, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(groupRows))
		t.put = func(rows []R) error { _, err := p.Write(rows); return err }
		t.end = p.Close
		return t
	}
	var none R
	text := append([]byte(none.header()), '\n')
	t.put = func(rows []R) error {
		for _, r := range rows {
			text = append(r.appendCSV(text), '\n')
		}
		_, err := w.Write(text)
		text = text[:0]
		return err
	}
	t.end = func() error { return nil }
	return t
}

func (t *table[R]) add(r R) error {
	if t.batch = append(t.batch, r); len(t.batch) < batchRows {
		return nil
	}
	return t.flush()
}

func (t *table[R]) flush() error {
	err := t.put(t.batch)
	t.batch = t.batch[:0]
	return err
}

func (t *table[R]) close() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.end()
}

// appendCell appends a text as a cell of CSV. One that a spreadsheet would take for a formula gets an apostrophe before it:
// a server that is probed may answer anything.
func appendCell(dst []byte, text string) []byte {
	formula := text != "" && strings.IndexByte("=+-@\t\r", text[0]) >= 0
	if !formula && !strings.ContainsAny(text, "\",\r\n") && !strings.HasPrefix(text, " ") {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	if formula {
		dst = append(dst, '\'')
	}
	return append(append(dst, strings.ReplaceAll(text, `"`, `""`)...), '"')
}

// appendInstant appends an instant as RFC 3339 with milliseconds. Go is twice as fast at RFC 3339 itself as at a layout.
func appendInstant(dst []byte, at int64) []byte {
	t := time.UnixMilli(at).UTC()
	dst = t.AppendFormat(dst, time.RFC3339)
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst[:len(dst)-len("Z")], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// date is a UTC day as ISO 8601.
func date(day int32) string {
	return time.UnixMilli(int64(day) * uptally.DayMillis).UTC().Format(time.DateOnly)
}
