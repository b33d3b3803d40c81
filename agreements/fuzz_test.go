package agreements

import (
	"errors"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/uptally/uptally"
)

// FuzzCompute turns bytes into changes of a sound agreement, histories of its services and entries. Whatever the words
// together mean, Compute neither panics nor breaks what holds for every account. Fields are found by reflection, so that
// a new word of the language is fuzzed from the day it is there.
func FuzzCompute(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("an agreement, its history and what people recorded"))
	for k := range byte(24) {
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(i)*(2*k+1) ^ byte(i*i)>>2
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := (&feed{data: data}).input(t)
		if len(in.Agreement.Validate()) > 0 || len(in.Agreement.Versions[0].Window.Validate()) > 0 {
			return
		}
		accounts, err := Compute(in)
		if _, terms := errors.AsType[*TermsError](err); err != nil && !terms && in.Agreement.Versions[0].MeasureTerms == (MeasureTerms{}) {
			t.Errorf("got error %v of a sound agreement", err)
		}
		for _, a := range accounts {
			checkAccount(t, a)
		}
		if t.Failed() {
			t.Logf("terms %+v\nperiod %v\nservices %v\nentries %+v", in.Agreement.Versions[0], in.Period, in.Services, in.Entries)
		}
	})
}

// fuzzWords are the names of services, causes and classes, and a share.
func fuzzWords() []string { return []string{"s", "t", "customer", "emergency", "25%", ""} }

// feed hands out bytes; after the last there are zeros.
type feed struct{ data []byte }

func (f *feed) next() int {
	if len(f.data) == 0 {
		return 0
	}
	b := f.data[0]
	f.data = f.data[1:]
	return int(b)
}

// span is a length of any size, most of them sizes that contracts have.
func (f *feed) span() int64 {
	units := []int64{0, 1, 999, 1000, 59_000, 60_000, 300_000, 1800_000, hourMS, 24 * hourMS}
	return units[f.next()%len(units)] * int64(1+f.next()%4)
}

func (f *feed) input(t *testing.T) Input {
	z := zone(t, []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"}[f.next()%4])
	in := Input{Agreement: agreement(z), Services: map[string]Tracks{}}
	in.Period = period(t, []string{"2026-03", "2026-10", "2026-Q4", "2011-12"}[f.next()%4], z)
	if n := f.span(); n > 0 && f.next()%2 == 0 {
		in.Period.From += f.span()
		in.Period.To = in.Period.From + n
	}
	v := &in.Agreement.Versions[0]
	v.Services = []string{"s", "t"}[:1+f.next()%2]
	for range f.next() % 16 {
		f.change(reflect.ValueOf(v).Elem())
	}
	for _, s := range fuzzWords() {
		in.Services[s] = f.history(t, in.Period, int64(v.Bridge))
	}
	for id := range int64(f.next() % 8) {
		e := Recorded{Entry: uptally.Entry{ID: id + 1, Kind: Kinds()[f.next()%len(Kinds())]}}
		for range f.next() % 8 {
			f.change(reflect.ValueOf(&e.EntryText).Elem())
		}
		if e.Kind != KindWithdrawal {
			e.From = in.Period.From - hourMS + f.span()
			e.To, e.RecordedAt = e.From+1+f.span(), e.From-f.span()
		}
		if e.Complete(e.Kind); len(e.Problems(e.Kind)) == 0 {
			in.Entries = append(in.Entries, e)
		}
	}
	return in
}

// history is an agreed timeline from an hour before the period on.
func (f *feed) history(t *testing.T, p Interval, bridge int64) Tracks {
	tl := Timeline{Service: "s"}
	at := p.From - hourMS
	for range f.next() % 24 {
		next := Interval{at, at + f.span()}
		tl.Stretches = append(tl.Stretches, Stretch{next, StateUp + State(f.next()%3)})
		at = next.To
	}
	tracks, err := tl.Tracks(bridge)
	if err != nil {
		t.Fatal(err)
	}
	return tracks
}

// change changes something somewhere in v.
func (f *feed) change(v reflect.Value) {
	shares := []*big.Rat{nil, {}, big.NewRat(1, 1000), big.NewRat(1, 10), big.NewRat(99, 100), big.NewRat(999, 1000), big.NewRat(1, 1), big.NewRat(5, 2)}
	switch v.Interface().(type) {
	case *big.Rat:
		v.Set(reflect.ValueOf(shares[f.next()%len(shares)]))
		return
	case Date:
		v.Set(reflect.ValueOf(Date{2025 + f.next()%3, time.Month(1 + f.next()%12), 1 + f.next()%28}))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.next()%2 == 1)
	case reflect.Uint8:
		v.SetUint(uint64(f.next() % 8))
	case reflect.Int:
		v.SetInt(int64(f.next()%8 - 1))
	case reflect.Int64:
		v.SetInt(f.span() - int64(f.next()%2))
	case reflect.String:
		v.SetString(fuzzWords()[f.next()%len(fuzzWords())])
	default:
		f.changePart(v)
	}
}

// changePart changes a field, an element or what is pointed to.
func (f *feed) changePart(v reflect.Value) {
	fresh := func(t reflect.Type) reflect.Value {
		e := reflect.New(t).Elem()
		for range 1 + f.next()%8 {
			f.change(e)
		}
		return e
	}
	switch v.Kind() {
	case reflect.Struct:
		if field := v.Field(f.next() % v.NumField()); field.CanSet() {
			f.change(field)
		}
	case reflect.Array:
		f.change(v.Index(f.next() % v.Len()))
	case reflect.Pointer:
		v.SetZero()
		if f.next()%4 > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			v.Elem().Set(fresh(v.Type().Elem()))
		}
	case reflect.Slice:
		if f.next()%4 == 0 {
			v.SetZero()
		} else if v.Len() < 4 {
			v.Set(reflect.Append(v, fresh(v.Type().Elem())))
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		if e := fresh(v.Type().Elem()); e.Kind() != reflect.Pointer || !e.IsNil() { // no file gives a key without a value
			v.SetMapIndex(fresh(v.Type().Key()), e)
		}
	}
}
