package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/cardtest"
)

// A web is an HTTPS server that requires a certificate of Test CA.
type web struct {
	*httptest.Server
	connections atomic.Int32
}

func newWeb(t testing.TB, http2 bool) *web {
	t.Helper()
	return newWebWith(t, http2, nil)
}

// newWebWith calls closed for each connection that is closed.
func newWebWith(t testing.TB, http2 bool, closed func()) *web {
	t.Helper()
	w := new(web)
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName+" "+r.Proto)
	}))
	w.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		w.connections.Add(1)
		return ctx
	}
	w.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed && closed != nil {
			closed()
		}
	}
	w.Config.ErrorLog = log.New(io.Discard, "", 0)
	w.EnableHTTP2 = http2
	w.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: root.Pool(), Time: fixedTime}
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// client returns a client of w that uses the Source of f.
func (w *web) client(t testing.TB, f *fixture) (*http.Client, *http.Transport) {
	pool := x509.NewCertPool()
	pool.AddCert(w.Certificate())
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, GetClientCertificate: f.Get},
		ForceAttemptHTTP2: w.EnableHTTP2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, transport
}

func get(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// TestFortyRequests makes 40 requests, 8 at once, with one PIN.
func TestFortyRequests(t *testing.T) {
	for _, test := range []struct {
		name      string
		http2     bool
		keepAlive bool
		proto     string
		least     int32 // connections
		most      int32
	}{
		{"without keep-alive", false, false, "HTTP/1.1", 40, 40},
		{"with keep-alive", false, true, "HTTP/1.1", 1, 40},
		{"HTTP/2", true, true, "HTTP/2.0", 1, 8},
	} {
		for kind, soft := range map[string]*cardtest.Card{
			"RSA":   put(cardtest.PIV(), "9A", cardtest.Leaf{UPNs: []string{alice}}),
			"P-256": quickCard(alice),
			"GIDS":  put(cardtest.TPM(), "kxc00", cardtest.Leaf{UPNs: []string{alice}}),
		} {
			t.Run(test.name+"/"+kind, func(t *testing.T) {
				w := newWeb(t, test.http2)
				f := newFixture(t, soft)
				client, transport := w.client(t, f)
				transport.DisableKeepAlives = !test.keepAlive
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						for range 5 {
							body, err := get(client, w.URL)
							assert.NoError(t, err)
							assert.Equal(t, "alice "+test.proto, body)
						}
					})
				}
				all.Wait()
				assert.EqualValues(t, 1, f.user.asked.Load())
				assert.Equal(t, 1, soft.PINs())
				assert.GreaterOrEqual(t, w.connections.Load(), test.least)
				assert.LessOrEqual(t, w.connections.Load(), test.most)
			})
		}
	}
}

// Requests over a connection that is authenticated need no card. The next connection
// does.
func TestConnectionStaysAuthenticated(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			soft := quickCard(alice)
			w, f := newWeb(t, http2), newFixture(t, soft)
			client, transport := w.client(t, f)
			_, err := get(client, w.URL)
			require.NoError(t, err)
			f.readers.Remove(reader)
			_, err = get(client, w.URL)
			require.NoError(t, err, "the same connection")

			transport.CloseIdleConnections()
			_, err = get(client, w.URL)
			require.Error(t, err)
			assert.ErrorIs(t, f.Explain(err), card.ErrRemoved)
			f.readers.Insert(reader, soft)
			_, err = get(client, w.URL)
			require.NoError(t, err)
			assert.EqualValues(t, 2, f.user.asked.Load())
		})
	}
}

// The TLSHandshakeTimeout of a transport does not end the context of the handshake: the
// prompt goes on, and its key is kept.
func TestHandshakeTimeout(t *testing.T) {
	soft := quickCard(alice)
	closed := make(chan struct{})
	closeOnce := sync.OnceFunc(func() { close(closed) })
	w, f := newWebWith(t, false, closeOnce), newFixture(t, soft)
	f.PIN = func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		<-closed
		return f.user.ask(ctx, r)
	}
	client, transport := w.client(t, f)
	transport.TLSHandshakeTimeout = 50 * time.Millisecond
	_, err := get(client, w.URL)
	assert.ErrorContains(t, err, "TLS handshake timeout")
	transport.TLSHandshakeTimeout = 0
	_, err = get(client, w.URL)
	require.NoError(t, err)
	assert.EqualValues(t, 1, f.user.asked.Load())
}

// A request that is canceled does not end its prompt, but CloseIdleConnections does.
func TestRequestCanceledDuringPrompt(t *testing.T) {
	soft := quickCard(alice)
	w, f := newWeb(t, false), newFixture(t, soft)
	asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	f.PIN = func(ctx context.Context, r card.PINRequest) (card.PIN, error) {
		if f.user.asked.Load() > 0 {
			return f.user.ask(ctx, r)
		}
		f.user.asked.Add(1)
		asked <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return card.PIN{}, ctx.Err()
	}
	client, _ := w.client(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL, nil)
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		_, err := client.Do(request)
		assert.ErrorIs(t, err, context.Canceled)
	})
	<-asked
	cancel()
	all.Wait()
	assert.Empty(t, ended)
	client.CloseIdleConnections()
	<-ended
	assert.False(t, soft.Verified())
	_, err = get(client, w.URL)
	require.NoError(t, err)
	assert.EqualValues(t, 2, f.user.asked.Load())
}

// A resumed session needs no signature.
func TestResumption(t *testing.T) {
	soft := quickCard(alice)
	w, f := newWeb(t, false), newFixture(t, soft)
	client, transport := w.client(t, f)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	transport.DisableKeepAlives = true
	for range 3 {
		body, err := get(client, w.URL)
		require.NoError(t, err)
		assert.Equal(t, "alice HTTP/1.1", body)
	}
	assert.EqualValues(t, 3, w.connections.Load())
	assert.Equal(t, 1, soft.KeyUses())
}
