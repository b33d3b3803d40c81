package plans

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uptally/uptally/ledger/delivery"
)

// lector answers every request with its text, or fails.
type lector struct {
	text  string
	code  int
	fail  error
	asked int
}

func (l *lector) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked++
	if l.fail != nil {
		return nil, l.fail
	}
	return &http.Response{StatusCode: l.code, Status: http.StatusText(l.code), Body: io.NopCloser(bytes.NewReader([]byte(l.text))), Request: r}, nil
}

// Each step is a reply's word of a version, and what becomes of it.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lector{text: "one", code: http.StatusOK}
		var taken []string
		f := NewFollower(FollowerOptions{
			Transport: l, Server: "https://uptally.example.com", Version: delivery.PlansVersion([]byte("zero")), Log: slog.New(slog.DiscardHandler),
			Take: func(data []byte) error {
				if string(data) == "bad" {
					return errors.New("nobody knows this")
				}
				taken = append(taken, string(data))
				return nil
			},
		})
		go f.Run(t.Context())
		refused := errors.New("connection refused")
		for _, s := range []struct {
			story, says, text string
			code              int
			fail              error
			asked             int // in all
			want              FollowerStats
		}{
			{"what it has", "zero", "", 0, nil, 0, FollowerStats{}},
			{"another", "one", "one", 200, nil, 1, FollowerStats{Taken: 1}},
			{"the same again", "one", "one", 200, nil, 1, FollowerStats{Taken: 1}},
			{"nobody answers", "two", "", 0, refused, 2, FollowerStats{Taken: 1, Behind: true, Why: `fetch plans: Get "https://uptally.example.com/agent/plans": connection refused`}},
			{"an error of the server", "two", "x", 503, nil, 3, FollowerStats{Taken: 1, Behind: true, Why: "fetch plans: got Service Unavailable"}},
			{"there it is", "two", "two", 200, nil, 4, FollowerStats{Taken: 2}},
			{"one that nobody can use", "bad", "bad", 200, nil, 5, FollowerStats{Taken: 2, Refused: 1, Behind: true, Why: "nobody knows this"}},
			{"it is not fetched again", "bad", "bad", 200, nil, 5, FollowerStats{Taken: 2, Refused: 1, Behind: true, Why: "nobody knows this"}},
			{"the server goes back", "two", "two", 200, nil, 5, FollowerStats{Taken: 2, Refused: 1}},
			{"and on", "three", "three", 200, nil, 6, FollowerStats{Taken: 3, Refused: 1}},
			{"a server of before that says no version", "", "", 200, nil, 6, FollowerStats{Taken: 3, Refused: 1}},
		} {
			l.text, l.code, l.fail = s.text, s.code, s.fail
			version := ""
			if s.says != "" {
				version = delivery.PlansVersion([]byte(s.says))
			}
			f.Told(version)
			<-time.After(10 * time.Second) // beyond the pause after a failure
			if diff := cmp.Diff(s.want, f.Stats()); diff != "" || l.asked != s.asked {
				t.Errorf("%s: got %d requests, want %d; %s", s.story, l.asked, s.asked, diff)
			}
		}
		if diff := cmp.Diff([]string{"one", "two", "three"}, taken); diff != "" {
			t.Error(diff)
		}
	})
}

// Of many words while a fetch fails the last one counts, and none of them waits.
func TestFollowerHearsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lector{fail: errors.New("no route")}
		f := NewFollower(FollowerOptions{Transport: l, Server: "https://uptally.example.com", Take: func([]byte) error { return nil }, Log: slog.New(slog.DiscardHandler)})
		go f.Run(t.Context())
		f.Told("a")
		synctest.Wait()
		for _, v := range []string{"b", "c", "d"} {
			f.Told(v)
		}
		<-time.After(time.Minute)
		if l.asked != 2 {
			t.Errorf("got %d requests, want two: for the first and for the last", l.asked)
		}
	})
}

// A set could not be kept, say on a full disk. It is in force within minutes of there being room, without any other from the server.
func TestFollowerTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, full := &lector{text: "one", code: http.StatusOK}, true
		f := NewFollower(FollowerOptions{
			Transport: l, Server: "https://uptally.example.com", Log: slog.New(slog.DiscardHandler),
			Take: func([]byte) error {
				if full {
					return errors.New("no space left on device")
				}
				return nil
			},
		})
		go f.Run(t.Context())
		heartbeats := func(n int) {
			for range n {
				f.Told(delivery.PlansVersion([]byte("one")))
				<-time.After(30 * time.Second)
			}
		}
		heartbeats(40)
		if l.asked != 4 {
			t.Errorf("got %d requests in twenty minutes, want one in five", l.asked)
		}
		full = false
		heartbeats(11)
		if got, want := f.Stats(), (FollowerStats{Taken: 1, Refused: 4}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
