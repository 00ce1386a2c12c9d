// Client does the jobs with this library.
package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/card/pcsc"
	"github.com/smartlogon/smartlogon/enumerate"
	"github.com/smartlogon/smartlogon/internal/bench/internal/job"
)

func main() {
	ctx := context.Background()
	job.Main(map[string]func() error{
		job.List:  func() error { return list(ctx) },
		job.Sign:  func() error { return sign(ctx, 1) },
		job.Ten:   func() error { return sign(ctx, 10) },
		job.First: func() error { return first(ctx) },
	})
}

func newFinder() (*enumerate.Finder, func() error) {
	service := pcsc.Socket("", nil)
	return &enumerate.Finder{Service: service}, service.Close
}

func list(ctx context.Context) error {
	find, closeService := newFinder()
	defer closeService()
	caching := &enumerate.Finder{Service: find.Service, Cache: true}
	for _, part := range []struct {
		name string
		find *enumerate.Finder
	}{{"list", find}, {"again", find}, {job.Skip, caching}, {"cached", caching}} {
		n := 0
		for _, err := range part.find.All(ctx) {
			if err != nil {
				return err
			}
			n++
		}
		if err := job.Mark(part.name, n); err != nil {
			return err
		}
	}
	return nil
}

func sign(ctx context.Context, times int) error {
	find, closeService := newFinder()
	defer closeService()
	offered, err := find.Offered(ctx)
	if err != nil {
		return err
	}
	key, err := offered[0].Unlock(ctx, card.FixedPIN("123456"))
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("text"))
	for range times {
		if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
			return errors.Join(err, key.Close())
		}
	}
	if err := key.Close(); err != nil {
		return err
	}
	return job.Mark("sign", times)
}

func first(ctx context.Context) error {
	find, closeService := newFinder()
	defer closeService()
	if err := job.Mark("ready", 0); err != nil {
		return err
	}
	for _, err := range find.Watch(ctx) {
		if err != nil {
			return err
		}
		break
	}
	return job.Mark("first", 1)
}
