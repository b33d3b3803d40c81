package ledger

import (
	"bytes"
	"os"
	"testing"

	"github.com/uptally/uptally"
)

// A file that does not open, say since the disk fails, takes nothing from what the spool knows: a hello names the present epoch, and what
// waits is tried again.
func TestSpoolKnowsWhatItKnewWhereAFileDoesNotOpen(t *testing.T) {
	s, err := OpenSpool(t.TempDir(), SpoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var data []byte
	b, err := s.Append(t.Context(), func(n Number) []byte {
		r := uptally.Result{Slot: uptally.Slot{Check: 1, Site: 2, At: 1_000}}
		data, err = uptally.Batch{Agent: 1, Epoch: n.Epoch, Seq: n.Seq, Site: 2, Results: []uptally.Result{r}}.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return data
	})
	if err != nil {
		t.Fatal(err)
	}
	was := s.Epochs()
	if err := s.disconnect(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	file[bytes.LastIndex(file, data)] ^= 1
	if err := os.WriteFile(s.path(), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.broken = s.connect(t.Context(), nil)
	if s.broken == nil {
		t.Fatal("got no error of a damaged file")
	}
	if got := s.Epochs(); len(got) != 1 || got[0].Epoch != was[0].Epoch || got[0].Last != b.Seq {
		t.Errorf("got %+v, want %+v as before", got, was)
	}
	if st := s.Stats(); st.Waiting != 1 {
		t.Errorf("got %d waiting, want 1", st.Waiting)
	}
}
