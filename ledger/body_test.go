package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/uptally/uptally"
)

// The format of a row at rest: version, members 1 and 9, their lengths, their bytes, CRC-32C.
const bodyRowHex = "01" + "0202" + "0301" + "616263" + "64" + "dba7f8b5"

func TestBodyRowBytes(t *testing.T) {
	row := appendBodyRow([]byte("before"), [bodySeries][]byte{1: []byte("abc"), 9: []byte("d")})
	row, _ = bytes.CutPrefix(row, []byte("before"))
	if got := hex.EncodeToString(row); got != bodyRowHex {
		t.Errorf("got %s, want %s", got, bodyRowHex)
	}
}

func TestBodyRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members [bodySeries][]byte
		for i := range members {
			members[i] = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "member")
		}
		row := appendBodyRow(nil, members)
		got, err := decodeBodyRow(row)
		if err != nil {
			t.Fatal(err)
		}
		for i := range members {
			if !bytes.Equal(got[i], members[i]) {
				t.Fatalf("member %d: got %x, want %x", i, got[i], members[i])
			}
		}
		flip := rapid.IntRange(0, len(row)*8-1).Draw(t, "flip")
		row[flip/8] ^= 1 << (flip % 8)
		if _, err := decodeBodyRow(row); !errors.Is(err, uptally.ErrDamaged) {
			t.Fatalf("bit %d flipped: got %v, want %v", flip, err, uptally.ErrDamaged)
		}
	})
}

func TestBodyRowRefuses(t *testing.T) {
	for _, c := range []struct{ name, payload, want string }{
		{"nothing", "", "decode row of bodies: got 0 bytes , want version 1 and which members there are"},
		{"another version", "020000", "decode row of bodies: got 3 bytes 02, want version 1 and which members there are"},
		{"no length", "010001", "decode row of bodies: got no shortest varint, want the length of a member"},
		{"a long varint", "010001" + "8100" + "61", "decode row of bodies: got no shortest varint, want the length of a member"},
		{"an empty member", "010001" + "00", "decode row of bodies: got no shortest varint, want the length of a member"},
		{"more than there is", "010001" + "ffffffffffffffffff01" + "61", "decode row of bodies: got 1 bytes, want 18446744073709551615 of member 0"},
		{"less than there is", "010001" + "01" + "6162", "decode row of bodies: got 1 trailing bytes, want none"},
	} {
		payload, err := hex.DecodeString(c.payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeBodyRow(uptally.AppendCRC(payload, 0)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func FuzzDecodeBodyRow(f *testing.F) {
	row, err := hex.DecodeString(bodyRowHex)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row[:len(row)-4])
	f.Add([]byte{1, 0, 0})
	f.Add([]byte{1, 0, 1, 0x81, 0, 'a'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		row := uptally.AppendCRC(payload, 0)
		members, err := decodeBodyRow(row)
		if err != nil {
			return
		}
		if got := appendBodyRow(nil, members); !bytes.Equal(got, row) {
			t.Fatalf("got %x, want %x", got, row)
		}
	})
}
