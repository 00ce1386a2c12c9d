package client_test

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/smartlogon/smartlogon/internal/pcsclite"
	"github.com/smartlogon/smartlogon/internal/pcsclite/client"
	"github.com/smartlogon/smartlogon/internal/pcsclite/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// relay forwards connections on the socket from to the socket to, and returns a
// function that returns the requests so far.
func relay(t *testing.T, from, to string) (requests func() []pcsclite.Command) {
	t.Helper()
	l, err := net.Listen("unix", from)
	require.NoError(t, err)
	var mu sync.Mutex
	var seen []pcsclite.Command
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	running.Go(func() {
		for {
			program, err := l.Accept()
			if err != nil {
				return
			}
			service, err := net.Dial("unix", to)
			if !assert.NoError(t, err) {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(program, service)
				program.Close()
			})
			running.Go(func() {
				defer service.Close()
				for {
					request, err := pcsclite.ReadRequest(program)
					if err != nil {
						return // the program closed its connection
					}
					mu.Lock()
					seen = append(seen, request.Command)
					mu.Unlock()
					if _, err := service.Write(pcsclite.AppendRequest(nil, request)); err != nil {
						return
					}
				}
			})
		}
	})
	return func() []pcsclite.Command {
		mu.Lock()
		defer mu.Unlock()
		return append([]pcsclite.Command(nil), seen...)
	}
}

// TestMessagesOfTransaction bounds the messages of a transaction of one command, with
// the look whether the card is there. The table of readers counts as one: its three
// requests are sent at once.
func TestMessagesOfTransaction(t *testing.T) {
	set, _ := newSet(t)
	behind, front := socket(t), socket(t)
	t.Cleanup(serve(t, behind, &server.Server{Readers: set}))
	requests := relay(t, front, behind)
	s := client.New(front)
	_, err := s.Readers(t.Context())
	require.NoError(t, err)
	for range 3 {
		before := len(requests())
		k, err := s.Connect(t.Context(), "R")
		require.NoError(t, err)
		require.NoError(t, k.Begin(t.Context()))
		_, err = s.Readers(t.Context())
		require.NoError(t, err)
		_, err = k.Transmit([]byte{0, 1, 0, 0})
		require.NoError(t, err)
		require.NoError(t, k.End(false))
		require.NoError(t, k.Close(false))
		sent := slices.DeleteFunc(requests()[before:], func(c pcsclite.Command) bool { return c == pcsclite.CmdReadersSize })
		assert.LessOrEqual(t, len(sent), 10, sent)
	}
	require.NoError(t, s.Close())
}
