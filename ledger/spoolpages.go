package ledger

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// spoolPage is the size of a spool's pages: a row that fits takes no page of its own.
const spoolPage = 4096

// pageImages are the pages of a spool's file and of its WAL, read without SQLite: what has lost its header, its tree or its
// checksums still has pages, and on them batches that answer for themselves by their CRC. Source: sqlite.org/fileformat2.html.
type pageImages struct {
	file, wal *os.File // nil where there is none
	pages     int      // of file
	frames    []uint32 // the pages that the frames of wal are images of
}

const (
	walHeader   = 32
	frameHeader = 24
)

func openImages(path string) (*pageImages, error) {
	p := &pageImages{}
	var err error
	if p.file, err = openIfThere(path); err != nil {
		return nil, err
	}
	if p.wal, err = openIfThere(path + "-wal"); err != nil {
		p.close()
		return nil, err
	}
	if p.file != nil {
		info, err := p.file.Stat()
		if err != nil {
			p.close()
			return nil, err
		}
		p.pages = int((info.Size() + spoolPage - 1) / spoolPage)
	}
	for p.wal != nil {
		var header [frameHeader]byte
		if _, err := p.wal.ReadAt(header[:], p.frameAt(len(p.frames))); err != nil {
			break
		}
		p.frames = append(p.frames, binary.BigEndian.Uint32(header[:]))
	}
	return p, nil
}

func openIfThere(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

func (p *pageImages) close() {
	p.file.Close() // nil is fine for both
	p.wal.Close()
}

func (p *pageImages) frameAt(i int) int64 { return walHeader + int64(i)*(frameHeader+spoolPage) }

// image reads image i, counted through the file and then the WAL. What cannot be read, or is cut off, is zero, and then it is not
// whole.
func (p *pageImages) image(i int) (page []byte, whole bool) {
	page = make([]byte, spoolPage)
	var err error
	if i < p.pages {
		_, err = p.file.ReadAt(page, int64(i)*spoolPage)
	} else {
		_, err = p.wal.ReadAt(page, p.frameAt(i-p.pages)+frameHeader)
	}
	return page, err == nil
}

// newest returns the image of a page: the last in the WAL, if that may be, or that in the file.
func (p *pageImages) newest(page uint32, wal bool) []byte {
	for i := len(p.frames) - 1; wal && i >= 0; i-- {
		if p.frames[i] == page {
			image, _ := p.image(p.pages + i)
			return image
		}
	}
	if page == 0 || int64(page) > int64(p.pages) {
		return nil
	}
	image, _ := p.image(int(page) - 1)
	return image
}

// rawBatch is a row of the log as it stands on a page.
type rawBatch struct {
	spoolRow
	data  []byte
	sound bool // data is what its CRC says, and says the number
}

// rows calls f with each row of the log on an image, and the memo's. The page's own header is not believed: what the cells are
// is seen by what they hold.
func (p *pageImages) rows(i int, f func(cell int, b rawBatch), memo func(spoolMemo)) {
	page, whole := p.image(i)
	const leaf, leafHeader = 13, 8
	at := leafHeader
	if i == 0 || i >= p.pages && p.frames[i-p.pages] == 1 {
		at += 100 // the file's header
	}
	believed := whole && page[at-leafHeader] == leaf
	for cell, end := 0, spoolPage; at+2*cell+2 <= end; cell++ { // pointers stand before all that they point to
		from := int(binary.BigEndian.Uint16(page[at+2*cell:]))
		if from < at || from >= spoolPage {
			continue
		}
		b, m, ok := p.row(page[from:], true)
		if !b.sound && m == nil {
			if again, m2, ok2 := p.row(page[from:], false); again.sound || m2 != nil || !ok {
				b, m, ok = again, m2, ok2
			}
		}
		switch {
		case m != nil && memo != nil:
			memo(*m)
		case b.sound || ok && believed:
			f(cell, b)
		}
		if b.sound {
			end = min(end, from)
		}
	}
}

// row reads a cell of a table; ok says that it has the shape of a row of the log, and m is not nil for a row of the memo.
func (p *pageImages) row(cell []byte, wal bool) (b rawBatch, m *spoolMemo, ok bool) {
	size, k := sqliteVarint(cell)
	id, n := sqliteVarint(cell[k:])
	if k == 0 || n == 0 || size > 1<<20 {
		return b, nil, false
	}
	record := p.payload(cell[k+n:], int(size), wal)
	if b, ok = parseRow(int64(id), record); ok {
		return b, nil, true
	}
	return b, parseMemo(record), false
}

// payload reads a cell's bytes, the first of them on the page and the others on pages of their own.
func (p *pageImages) payload(local []byte, size int, wal bool) []byte {
	const most, least, more = spoolPage - 35, (spoolPage-12)*32/255 - 23, spoolPage - 4
	if size <= most {
		return local[:min(size, len(local))]
	}
	n := least + (size-least)%more
	if n > most {
		n = least
	}
	if n+4 > len(local) {
		return nil
	}
	record := append(make([]byte, 0, size), local[:n]...)
	next := binary.BigEndian.Uint32(local[n:])
	for len(record) < size {
		page := p.newest(next, wal)
		if page == nil {
			return record
		}
		next = binary.BigEndian.Uint32(page)
		record = append(record, page[4:4+min(more, size-len(record))]...)
	}
	return record
}

// parseRow reads a record of table log; ok says that its columns have the types they should, and its length.
func parseRow(id int64, record []byte) (b rawBatch, ok bool) {
	header, k := sqliteVarint(record)
	if k == 0 || header > uint64(len(record)) {
		return b, false
	}
	types, body := record[k:max(k, int(header))], record[header:]
	var column [6]int64
	for i := range column {
		kind, k := sqliteVarint(types)
		if k == 0 {
			return b, false
		}
		types = types[k:]
		if i == len(column)-1 { // data
			if kind < 12 || kind%2 != 0 || len(types) > 0 {
				return b, false
			}
			whole := uint64(len(body)) == (kind-12)/2
			b.data = body
			b.id, b.At, b.acked = id, column[3], column[4]
			b.Number = Number{uint64(column[1]), uint64(column[2])}
			b.Bytes = len(body)
			if n, sound := numberOf(body); sound {
				b.sound, b.Number = true, n
			}
			return b, b.sound || whole
		}
		if column[i], k = sqliteInteger(kind, body); k < 0 {
			return b, false
		}
		body = body[k:]
	}
	return b, false
}

// parseMemo reads a record of table memo, nil for anything else.
func parseMemo(record []byte) *spoolMemo {
	header, _ := sqliteVarint(record)
	if header < 3 || header > uint64(len(record)) {
		return nil
	}
	m, err := decodeMemo(record[header:])
	if err != nil {
		return nil
	}
	return &m
}

// sqliteVarint reads a number of up to nine bytes, seven bits each and eight of the last; 0 bytes say that there is none.
func sqliteVarint(b []byte) (uint64, int) {
	v := uint64(0)
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// sqliteInteger reads an integer of a serial type, NULL as 0, and returns how many bytes it has, or -1.
func sqliteInteger(kind uint64, body []byte) (int64, int) {
	sizes := [...]int{0, 1, 2, 3, 4, 6, 8, -1, 0, 0}
	if kind >= uint64(len(sizes)) || sizes[kind] < 0 || sizes[kind] > len(body) {
		return 0, -1
	}
	if kind >= 8 {
		return int64(kind - 8), 0
	}
	v := int64(0)
	for i, c := range body[:sizes[kind]] {
		if i == 0 {
			v = int64(int8(c))
			continue
		}
		v = v<<8 | int64(c)
	}
	return v, sizes[kind]
}

// walBatches returns the batches in the WAL of a file, the newest image of each: SQLite cuts a WAL off, silently, where its
// checksums end to fit. Of a batch that no image has whole it is one that has not.
func walBatches(path string) ([]rawBatch, error) {
	p, err := openImages(path)
	if err != nil {
		return nil, err
	}
	defer p.close()
	place := map[Number]int{}
	var found []rawBatch
	for i := range p.frames {
		p.rows(p.pages+i, func(_ int, b rawBatch) {
			at, known := place[b.Number]
			switch {
			case !known:
				place[b.Number] = len(found)
				found = append(found, b)
			case b.sound:
				found[at] = b
			}
		}, nil)
	}
	return found, nil
}
