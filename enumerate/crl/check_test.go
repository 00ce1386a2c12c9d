package crl_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/crl"
	"github.com/smartlogon/smartlogon/internal/testkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A row changes a fixture in which no certificate is revoked. openssl is part of the
// output of openssl verify, empty where it cannot judge.
type row struct {
	name    string
	change  func(t testing.TB, w *fixture)
	want    crl.Code // 0: not revoked
	openssl string
}

const (
	opensslOK      = ": OK"
	opensslRevoked = "certificate revoked"
)

func rows() []row {
	yesterday, tomorrow := clock.Add(-24*time.Hour), clock.Add(24*time.Hour)
	issuer := func(l list) func(testing.TB, *fixture) {
		return func(t testing.TB, w *fixture) { w.files["/issuer"] = w.issuer.list(t, l) }
	}
	delta := func(base, delta list) func(testing.TB, *fixture) {
		return func(t testing.TB, w *fixture) {
			for i, a := range w.checker.Authorities {
				if a.CA == w.issuer.cert {
					w.checker.Authorities[i].Delta = w.base + "/delta"
				}
			}
			w.files["/issuer"] = w.issuer.list(t, base)
			w.files["/delta"] = w.issuer.list(t, delta)
		}
	}
	leaf := []int64{leafSerial}
	// Without it openssl uses no delta list. The Authority has precedence.
	fresh := []pkix.Extension{at(oidFreshest, "http://127.0.0.1:1/")}
	return []row{
		{"not revoked", func(testing.TB, *fixture) {}, 0, opensslOK},
		{"another certificate is revoked", issuer(list{serials: []int64{1, 0x1235, 0x34}}), 0, opensslOK},
		{"revoked", issuer(list{serials: leaf}), crl.Revoked, opensslRevoked},
		{"revoked among others", issuer(list{serials: []int64{1, leafSerial, 0x7FFFFFFF}}), crl.Revoked, opensslRevoked},
		{"on hold", issuer(list{serials: leaf, reason: 6}), crl.Revoked, opensslRevoked},
		{"removal in a base list", issuer(list{serials: leaf, reason: 8}), crl.Revoked, ""},
		{"issuer is revoked", func(t testing.TB, w *fixture) {
			w.files["/root"] = w.root.list(t, list{serials: []int64{int64(len("Issuer"))}})
		}, crl.Revoked, opensslRevoked},
		{"expired", issuer(list{this: yesterday, next: clock.Add(-time.Second)}), crl.NotCurrent, "CRL has expired"},
		{"from the future", issuer(list{this: clock.Add(2 * time.Minute), next: tomorrow}), crl.NotCurrent, "CRL is not yet valid"},
		{"clock of the CA is ahead", issuer(list{this: clock.Add(30 * time.Second)}), 0, ""},
		{"list of the root is expired", func(t testing.TB, w *fixture) {
			w.files["/root"] = w.root.list(t, list{this: yesterday, next: clock.Add(-time.Second)})
		}, crl.NotCurrent, "CRL has expired"},
		{"list of another issuer", func(t testing.TB, w *fixture) { w.files["/issuer"] = w.files["/root"] }, crl.OtherIssuer, "unable to get certificate CRL"},
		{"signature of another key", func(t testing.TB, w *fixture) {
			forged := newAuthority(t, "Issuer", nil, testkeys.ECDSA(elliptic.P256(), 2))
			w.files["/issuer"] = forged.list(t, list{})
		}, crl.OtherIssuer, "CRL signature failure"},
		{"key identifier of another key", func(t testing.TB, w *fixture) {
			other := *w.issuer.cert
			other.SubjectKeyId = []byte("other")
			w.files["/issuer"] = w.issuer.list(t, list{template: &other})
		}, crl.OtherIssuer, ""},
		{"name of another CA with the same key", func(t testing.TB, w *fixture) {
			other := *w.issuer.cert
			other.RawSubject, other.Subject = nil, pkix.Name{CommonName: "Other"}
			w.files["/issuer"] = w.issuer.list(t, list{template: &other})
		}, crl.OtherIssuer, "unable to get certificate CRL"},
		{"issuer must not sign lists", func(t testing.TB, w *fixture) {
			other := *w.issuer.cert
			other.KeyUsage = x509.KeyUsageCertSign
			w.issuer = &authority{w.issuer.key, &other}
		}, crl.OtherIssuer, ""},
		{"changed entry", func(t testing.TB, w *fixture) {
			der := w.issuer.list(t, list{serials: leaf})
			w.files["/issuer"] = []byte(strings.Replace(string(der), "\x02\x02\x12\x34", "\x02\x02\x12\x35", 1))
		}, crl.OtherIssuer, "CRL signature failure"},
		{"critical extension", issuer(list{extra: []pkix.Extension{{Id: oidUnknown, Critical: true, Value: []byte{5, 0}}}}), crl.Unusable, "unhandled critical CRL extension"},
		{"extension that is not critical", issuer(list{extra: []pkix.Extension{{Id: oidUnknown, Value: []byte{5, 0}}}}), 0, opensslOK},
		{"critical extension of an entry", issuer(list{serials: []int64{1}, entryExtra: []pkix.Extension{{Id: oidUnknown, Critical: true, Value: []byte{5, 0}}}}), crl.Unusable, "unhandled critical CRL extension"},
		{"repeated extension", issuer(list{extra: []pkix.Extension{{Id: oidNumber, Value: []byte{2, 1, 9}}}}), crl.Unusable, ""},
		{"for users only", issuer(list{extra: []pkix.Extension{issuing([]byte{0x81, 1, 0xFF})}}), 0, opensslOK},
		{"for CAs only", issuer(list{extra: []pkix.Extension{issuing([]byte{0x82, 1, 0xFF})}}), crl.OtherScope, "different CRL scope"},
		{"list of the root is for users only", func(t testing.TB, w *fixture) {
			w.files["/root"] = w.root.list(t, list{extra: []pkix.Extension{issuing([]byte{0x81, 1, 0xFF})}})
		}, crl.OtherScope, "different CRL scope"},
		{"for some reasons only", issuer(list{extra: []pkix.Extension{issuing([]byte{0x83, 2, 5, 0x60})}}), crl.OtherScope, ""},
		{"for attribute certificates only", issuer(list{extra: []pkix.Extension{issuing([]byte{0x85, 1, 0xFF})}}), crl.OtherScope, "different CRL scope"},
		{"indirect", issuer(list{extra: []pkix.Extension{issuing([]byte{0x84, 1, 0xFF})}}), crl.Unusable, ""},
		{"for another distribution point", issuer(list{extra: []pkix.Extension{issuing(pointName("http://other.example/crl"))}}), crl.OtherScope, "different CRL scope"},
		{"malformed scope", issuer(list{extra: []pkix.Extension{issuing([]byte{0x81, 1, 7})}}), crl.Unusable, ""},

		{"status 403", func(t testing.TB, w *fixture) { w.status["/issuer"] = http.StatusForbidden }, crl.Unreachable, ""},
		{"missing", func(t testing.TB, w *fixture) { w.status["/issuer"] = http.StatusNotFound }, crl.Unreachable, ""},
		{"no server", func(t testing.TB, w *fixture) { w.checker.Authorities[1].Base = "http://127.0.0.1:1/" }, crl.Unreachable, ""},
		{"PEM", func(t testing.TB, w *fixture) {
			w.files["/issuer"] = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.files["/issuer"]})
		}, crl.NotDER, ""},
		{"empty", func(t testing.TB, w *fixture) { w.files["/issuer"] = nil }, crl.NotDER, ""},
		{"trailing byte", func(t testing.TB, w *fixture) { w.files["/issuer"] = append(w.files["/issuer"], 0) }, crl.NotDER, ""},
		{"a certificate", func(t testing.TB, w *fixture) { w.files["/issuer"] = w.issuer.cert.Raw }, crl.Unusable, ""},
		{"as large as the limit", func(t testing.TB, w *fixture) { w.checker.MaxSize = int64(len(w.files["/root"])) }, 0, ""},
		{"larger than the limit", func(t testing.TB, w *fixture) { w.checker.MaxSize = int64(len(w.files["/root"]) - 1) }, crl.TooLarge, ""},
		{"no list is configured", func(t testing.TB, w *fixture) { w.checker.Authorities[1].Base = "" }, crl.NoList, ""},
		{"no list is configured, optional", func(t testing.TB, w *fixture) {
			w.checker.Authorities[1].Base, w.checker.Optional = "", true
		}, 0, ""},
		{"no list is configured, exempt", func(t testing.TB, w *fixture) {
			w.checker.Authorities[1].Base, w.checker.Authorities[1].Exempt = "", true
		}, 0, ""},
		{"LDAP is configured", func(t testing.TB, w *fixture) { w.checker.Authorities[1].Base = "ldap://localhost/" }, crl.Unreachable, ""},

		{"delta list has nothing", delta(list{extra: fresh}, list{number: 11, delta: 10}), 0, opensslOK},
		{"delta list revokes", delta(list{extra: fresh}, list{number: 11, delta: 10, serials: leaf}), crl.Revoked, opensslRevoked},
		{"delta list removes", delta(list{serials: leaf, reason: 6, extra: fresh}, list{number: 11, delta: 10, serials: leaf, reason: 8}), 0, opensslOK},
		{"delta list is as old as the base list", delta(list{serials: leaf}, list{number: 10, delta: 9, serials: leaf, reason: 8}), crl.Revoked, ""},
		{"delta list is expired", delta(list{}, list{number: 11, delta: 10, this: yesterday, next: clock.Add(-time.Second)}), crl.NotCurrent, ""},
		{"delta list is missing", func(t testing.TB, w *fixture) {
			delta(list{}, list{number: 11, delta: 10})(t, w)
			w.status["/delta"] = http.StatusNotFound
		}, crl.Unreachable, ""},
		{"delta list of a later base list", delta(list{}, list{number: 12, delta: 11}), crl.Unusable, ""},
		{"delta list is a base list", delta(list{}, list{number: 11}), crl.Unusable, ""},
		{"delta list of another scope", delta(list{}, list{number: 11, delta: 10, extra: []pkix.Extension{issuing([]byte{0x81, 1, 0xFF})}}), crl.Unusable, ""},
		{"delta list in the place of the base list", issuer(list{number: 11, delta: 10}), crl.NoBase, ""},
		{"delta list without a base list", func(t testing.TB, w *fixture) {
			delta(list{}, list{number: 11, delta: 10})(t, w)
			w.checker.Authorities[1].Base = ""
		}, crl.NoBase, ""},
		{"base list names a delta list", func(t testing.TB, w *fixture) {
			w.files["/issuer"] = w.issuer.list(t, list{extra: []pkix.Extension{at(oidFreshest, w.base+"/delta")}})
			w.files["/delta"] = w.issuer.list(t, list{number: 11, delta: 10, serials: leaf})
		}, crl.Revoked, ""},
		{"base list names a delta list in LDAP", issuer(list{extra: []pkix.Extension{at(oidFreshest, "ldap://x/")}}), crl.NoList, ""},
	}
}

func TestCheck(t *testing.T) {
	for _, row := range rows() {
		t.Run(row.name, func(t *testing.T) {
			w := newFixture(t, false)
			row.change(t, w)
			err := w.checker.Check(t.Context(), w.chain())
			if row.want == 0 {
				assert.NoError(t, err)
				return
			}
			var failure *crl.Error
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, row.want, failure.Code, "%v", err)
			assert.ErrorIs(t, err, row.want)
			assert.NotEmpty(t, card.Hint(err))
		})
	}
}

// openSSL returns the path of OpenSSL 3. The openssl of macOS is LibreSSL.
func openSSL(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	var version []byte
	if err == nil {
		version, err = exec.CommandContext(t.Context(), program, "version").Output()
	}
	if err != nil || !strings.HasPrefix(string(version), "OpenSSL 3") {
		fmt.Println("missing OpenSSL 3")
		t.Skip("OpenSSL 3 is missing")
	}
	return program
}

// TestOpenSSL compares the verdict of openssl verify on the same lists.
func TestOpenSSL(t *testing.T) {
	program := openSSL(t)
	judged := 0
	for _, row := range rows() {
		if row.openssl == "" {
			continue
		}
		judged++
		w := newFixture(t, false)
		row.change(t, w)
		dir := t.TempDir()
		write := func(name, kind string, contents ...[]byte) string {
			var text []byte
			for _, c := range contents {
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: c})...)
			}
			path := filepath.Join(dir, name)
			require.NoError(t, os.WriteFile(path, text, 0o600))
			return path
		}
		lists := [][]byte{w.files["/root"], w.files["/issuer"]}
		args := []string{"verify", "-crl_check_all", "-attime", fmt.Sprint(clock.Unix())}
		if d := w.files["/delta"]; d != nil {
			lists = append(lists, d)
			args = append(args, "-extended_crl", "-use_deltas")
		}
		args = append(args, "-CAfile", write("root", "CERTIFICATE", w.root.cert.Raw), "-untrusted", write("issuer", "CERTIFICATE", w.issuer.cert.Raw),
			"-CRLfile", write("lists", "X509 CRL", lists...), write("leaf", "CERTIFICATE", w.leaf.Raw))
		out, _ := exec.CommandContext(t.Context(), program, args...).CombinedOutput() // its status is in its output
		assert.Contains(t, string(out), row.openssl, row.name)
		assert.Equal(t, row.want == 0, strings.Contains(string(out), opensslOK), row.name)
	}
	assert.Greater(t, judged, 20)
}

func TestDistributionPoints(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t testing.TB, w *fixture)
		want   crl.Code
	}{
		{"of each certificate", func(testing.TB, *fixture) {}, 0},
		{"revoked", func(t testing.TB, w *fixture) {
			w.files["/issuer"] = w.issuer.list(t, list{serials: []int64{leafSerial}})
		}, crl.Revoked},
		{"none", func(t testing.TB, w *fixture) { w.issue(t) }, crl.NoList},
		{"none, optional", func(t testing.TB, w *fixture) { w.issue(t); w.checker.Optional = true }, 0},
		{"LDAP only", func(t testing.TB, w *fixture) { w.issue(t, at(oidPoints, "ldap:///CN=x")); w.checker.Optional = true }, crl.NoList},
		{"LDAP first", func(t testing.TB, w *fixture) { w.issue(t, at(oidPoints, "ldap:///CN=x", w.base+"/issuer")) }, 0},
		{"first is missing", func(t testing.TB, w *fixture) {
			w.issue(t, at(oidPoints, w.base+"/gone", w.base+"/issuer"))
			w.status["/gone"] = http.StatusGone
		}, 0},
		{"all are missing", func(t testing.TB, w *fixture) {
			w.issue(t, at(oidPoints, w.base+"/gone", w.base+"/gone2"))
			w.status["/gone"], w.status["/gone2"] = http.StatusGone, http.StatusGone
		}, crl.Unreachable},
		{"two URLs of one point", func(t testing.TB, w *fixture) {
			w.issue(t, pkix.Extension{Id: oidPoints, Value: sequence(sequence(pointName("ldap://x", w.base+"/issuer")))})
		}, 0},
		{"of another issuer", func(t testing.TB, w *fixture) {
			w.issue(t, pkix.Extension{Id: oidPoints, Value: sequence(sequence(pointName(w.base+"/issuer"), tagged(0xA2, []byte{0x86, 1, 'x'})))})
		}, crl.OtherScope},
		{"for some reasons", func(t testing.TB, w *fixture) {
			w.issue(t, pkix.Extension{Id: oidPoints, Value: sequence(sequence(pointName(w.base+"/issuer"), []byte{0x81, 2, 1, 6}))})
			w.checker.Optional = true
		}, crl.OtherScope},
		{"relative to the issuer", func(t testing.TB, w *fixture) {
			w.extend(sequence(sequence(tagged(0xA0, tagged(0xA1)))))
		}, crl.NoList},
		{"malformed", func(t testing.TB, w *fixture) { w.extend([]byte{0x30, 1, 0x30}) }, crl.Unusable},
		{"list is for this point", func(t testing.TB, w *fixture) {
			w.files["/issuer"] = w.issuer.list(t, list{extra: []pkix.Extension{issuing(pointName(w.base + "/issuer"))}})
		}, 0},
		{"list is for another point", func(t testing.TB, w *fixture) {
			w.files["/issuer"] = w.issuer.list(t, list{extra: []pkix.Extension{issuing(pointName(w.base + "/root"))}})
		}, crl.OtherScope},
		{"certificate names a delta list", func(t testing.TB, w *fixture) {
			w.issue(t, at(oidPoints, w.base+"/issuer"), at(oidFreshest, w.base+"/delta"))
			w.files["/delta"] = w.issuer.list(t, list{number: 11, delta: 10, serials: []int64{leafSerial}})
		}, crl.Revoked},
		{"Authority has no list, the certificate names one", func(t testing.TB, w *fixture) {
			w.checker.Authorities = []crl.Authority{{CA: w.issuer.cert}}
		}, crl.NoList},
		{"the same, optional", func(t testing.TB, w *fixture) {
			w.checker.Authorities, w.checker.Optional = []crl.Authority{{CA: w.issuer.cert}}, true
		}, 0},
		{"negative serial number", func(t testing.TB, w *fixture) {
			negative := *w.leaf
			negative.SerialNumber = w.leaf.SerialNumber.Neg(w.leaf.SerialNumber)
			w.leaf = &negative
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newFixture(t, true)
			test.change(t, w)
			err := w.checker.Check(t.Context(), w.chain())
			if test.want == 0 {
				assert.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, test.want)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	w := newFixture(t, false)
	w.status["/issuer"] = http.StatusForbidden
	err := w.checker.Check(t.Context(), w.chain())
	assert.EqualError(t, err, `crl: "CN=Alice": revocation list cannot be downloaded: "`+w.base+`/issuer": HTTP status 403`)
	assert.EqualError(t, (&crl.Checker{}).Check(t.Context(), nil), "crl: chain is empty")
	assert.Equal(t, "code 7", crl.Code(7).Error())
}

func TestLongChain(t *testing.T) {
	w := newFixture(t, false)
	chain := []*x509.Certificate{w.leaf}
	for range 11 {
		chain = append(chain, w.issuer.cert)
	}
	assert.ErrorIs(t, w.checker.Check(t.Context(), chain), crl.NoList)
}

func TestListIsKeptUntilItsNextUpdate(t *testing.T) {
	w := newFixture(t, false)
	now := clock
	w.checker.Now = func() time.Time { return now }
	for range 3 {
		require.NoError(t, w.checker.Check(t.Context(), w.chain()))
	}
	assert.Equal(t, map[string]int{"/root": 1, "/issuer": 1}, w.requests)

	// Past the next update, the new list is read.
	w.set("/issuer", w.issuer.list(t, list{number: 11, next: clock.AddDate(1, 0, 0), serials: []int64{leafSerial}}))
	require.NoError(t, w.checker.Check(t.Context(), w.chain()))
	now = clock.Add(24*time.Hour + time.Second)
	w.set("/root", w.root.list(t, list{next: clock.AddDate(1, 0, 0)}))
	assert.ErrorIs(t, w.checker.Check(t.Context(), w.chain()), crl.Revoked)
	assert.Equal(t, map[string]int{"/root": 2, "/issuer": 2}, w.requests)
}

// An attacker on the network brings back a list from before the revocation, which is
// still valid.
func TestNumberMustNotDecrease(t *testing.T) {
	w := newFixture(t, false)
	now := clock
	w.checker.Now = func() time.Time { return now }
	w.set("/root", w.root.list(t, list{next: clock.AddDate(1, 0, 0)}))
	w.set("/issuer", w.issuer.list(t, list{number: 11, serials: []int64{leafSerial}}))
	require.ErrorIs(t, w.checker.Check(t.Context(), w.chain()), crl.Revoked)
	now = clock.Add(48 * time.Hour)
	w.set("/issuer", w.issuer.list(t, list{number: 10, next: clock.AddDate(1, 0, 0)}))
	assert.ErrorIs(t, w.checker.Check(t.Context(), w.chain()), crl.Unusable)
}

// The CA publishes a base list and its delta list while the base list before is kept.
func TestDeltaListOfANewBaseList(t *testing.T) {
	w := newFixture(t, false)
	w.checker.Authorities[1].Delta = w.base + "/delta"
	now := clock
	w.checker.Now = func() time.Time { return now }
	w.set("/delta", w.issuer.list(t, list{number: 11, delta: 10, next: clock.Add(time.Hour)}))
	require.NoError(t, w.checker.Check(t.Context(), w.chain()))
	now = clock.Add(2 * time.Hour)
	w.set("/issuer", w.issuer.list(t, list{number: 20}))
	w.set("/delta", w.issuer.list(t, list{number: 21, delta: 20, serials: []int64{leafSerial}}))
	assert.ErrorIs(t, w.checker.Check(t.Context(), w.chain()), crl.Revoked)
	assert.Equal(t, 2, w.requests["/issuer"])
}

func TestTimeout(t *testing.T) {
	w := newFixture(t, false)
	end := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-end:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(end)
	w.checker.Authorities[1].Base = slow.URL
	w.checker.Timeout = time.Millisecond
	assert.ErrorIs(t, w.checker.Check(t.Context(), w.chain()), crl.TimedOut)

	w.checker.Timeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := w.checker.Check(ctx, w.chain())
	assert.ErrorIs(t, err, context.Canceled)
	var failure *crl.Error
	assert.NotErrorAs(t, err, &failure, "the caller gave up; the chain was not judged")
}

func TestParallelChecksDownloadOnce(t *testing.T) {
	w := newFixture(t, false)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { assert.NoError(t, w.checker.Check(t.Context(), w.chain())) })
	}
	all.Wait()
	assert.Equal(t, map[string]int{"/root": 1, "/issuer": 1}, w.requests)
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server does not respond. Twenty logins wait for it together, not in turn.
func TestParallelChecksFailTogether(t *testing.T) {
	w := newFixture(t, false)
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		c := crl.Checker{Authorities: w.checker.Authorities, Now: w.checker.Now, HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			requests.Add(1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}
		begin := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { assert.ErrorIs(t, c.Check(t.Context(), w.chain()), crl.TimedOut) })
		}
		all.Wait()
		assert.Equal(t, crl.DefaultTimeout, time.Since(begin))
		assert.EqualValues(t, 1, requests.Load())

		assert.ErrorIs(t, c.Check(t.Context(), w.chain()), crl.TimedOut)
		assert.EqualValues(t, 2, requests.Load(), "a later check tries again")
	})
}

// The context of the goroutine that downloads ends. The others do not fail with it.
func TestCanceledCheckFailsAlone(t *testing.T) {
	w := newFixture(t, false)
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		c := crl.Checker{Authorities: w.checker.Authorities, Now: w.checker.Now, HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests.Add(1) == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(w.files[r.URL.Path])), ContentLength: -1}, nil
		})}}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { assert.ErrorIs(t, c.Check(ctx, w.chain()), context.Canceled) })
		synctest.Wait()
		all.Go(func() { assert.NoError(t, c.Check(t.Context(), w.chain())) })
		synctest.Wait()
		cancel()
		all.Wait()
	})
}

func TestKeptListsAreBounded(t *testing.T) {
	w := newFixture(t, true)
	for i := range 300 {
		path := fmt.Sprintf("/issuer/%d", i)
		w.set(path, w.files["/issuer"])
		w.issue(t, at(oidPoints, w.base+path))
		require.NoError(t, w.checker.Check(t.Context(), w.chain()))
	}
	assert.Equal(t, 256, w.checker.Kept())

	w.checker.MaxSize = int64(len(w.files["/root"]))
	w.issue(t, at(oidPoints, w.base+"/issuer"))
	require.NoError(t, w.checker.Check(t.Context(), w.chain()))
	assert.LessOrEqual(t, w.checker.Kept(), 16)

	w.issue(t, at(oidPoints, w.base+"/missing"))
	before := w.checker.Kept()
	assert.Error(t, w.checker.Check(t.Context(), w.chain()))
	assert.LessOrEqual(t, w.checker.Kept(), before+1)
}
