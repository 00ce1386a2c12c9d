package pcsclite_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/smartlogon/smartlogon/internal/pcsclite"
)

// FuzzReadRequest checks that a request that is read encodes to the same bytes, and
// that no byte after it is read.
func FuzzReadRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		q, err := pcsclite.ReadRequest(in)
		if err != nil {
			checkDocumented(t, err)
			if !reflect.DeepEqual(q, pcsclite.Request{}) {
				t.Fatalf("error %v with a request %+v", err, q)
			}
			return
		}
		again := pcsclite.AppendRequest(nil, q)
		if len(again) != len(b)-in.Len() {
			t.Fatalf("read %d bytes, wrote %d", len(b)-in.Len(), len(again))
		}
		q2, err := pcsclite.ReadRequest(bytes.NewReader(again))
		if err != nil || !reflect.DeepEqual(q, q2) {
			t.Fatalf("read %+v, then %+v, %v", q, q2, err)
		}
	})
}

// FuzzReadResponse checks that a response that is read encodes to a message that
// reads the same.
func FuzzReadResponse(f *testing.F) {
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		tt := layouts[int(which)%len(layouts)]
		m := reflect.New(reflect.TypeOf(tt.message).Elem()).Interface().(pcsclite.Body)
		if err := pcsclite.ReadResponse(bytes.NewReader(b), m); err != nil {
			checkDocumented(t, err)
			return
		}
		again := pcsclite.Append(nil, m)
		if len(again) != tt.size {
			t.Fatalf("%s of %d bytes, want %d", tt.name, len(again), tt.size)
		}
		m2 := reflect.New(reflect.TypeOf(tt.message).Elem()).Interface().(pcsclite.Body)
		if err := pcsclite.Parse(again, m2); err != nil || !reflect.DeepEqual(m, m2) {
			t.Fatalf("read %+v, then %+v, %v", m, m2, err)
		}
	})
}

// FuzzReadTable checks that a table has at most the given number of entries, each
// with a name and an ATR of valid length, and that it reads the same after encoding.
func FuzzReadTable(f *testing.F) {
	f.Fuzz(func(t *testing.T, n int, b []byte) {
		table, err := pcsclite.ReadTable(bytes.NewReader(b), n)
		if err != nil {
			checkDocumented(t, err)
			if table != nil {
				t.Fatalf("error %v with a table", err)
			}
			return
		}
		if len(table) > n || n*184 > len(b) {
			t.Fatalf("%d readers of %d in %d bytes", len(table), n, len(b))
		}
		for _, r := range table {
			if r.Name == "" || len(r.Name) > pcsclite.MaxReaderName || len(r.ATR) > 33 {
				t.Fatalf("invalid reader %+v", r)
			}
		}
		again, err := pcsclite.ReadTable(bytes.NewReader(pcsclite.AppendTable(nil, table)), len(table))
		if err != nil || !reflect.DeepEqual(table, again) {
			t.Fatalf("read %+v, then %+v, %v", table, again, err)
		}
	})
}

// checkDocumented checks that an error is one of those that are documented.
func checkDocumented(t *testing.T, err error) {
	t.Helper()
	for _, want := range []error{driver.CommError, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("undocumented error %v", err)
}
