package crl

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxKept is how many lists are kept. Together they have at most maxKeptSizes times
// MaxSize bytes.
const (
	maxKept      = 256
	maxKeptSizes = 8
)

// A cacheKey is a list of one CA at a URL.
type cacheKey struct {
	url    string
	issuer [sha256.Size]byte // hash of name and key
}

// A cached entry has a list that is kept. The holder of the token reads and writes
// list.
type cached struct {
	token chan struct{}
	list  *list

	// Guarded by Checker.mu: the last download that failed, and how many did. A
	// goroutine that waited for it fails with it, or else each of them would
	// wait for the same server in turn.
	failure  Error
	failures int

	size int // guarded by Checker.mu
}

// entry returns the entry for a key, and how many of its downloads have failed.
func (c *Checker) entry(key cacheKey) (e *cached, failures int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e = c.lists[key]
	if e == nil {
		if c.lists == nil {
			c.lists = make(map[cacheKey]*cached)
		}
		e = &cached{token: make(chan struct{}, 1)}
		c.lists[key] = e
	}
	return e, e.failures
}

// get returns the valid list of issuer at a URL, a kept one unless that is outdated.
// Only one goroutine downloads a list at a time.
func (c *Checker) get(ctx context.Context, url string, issuer *x509.Certificate, now time.Time, outdated *list) (*list, *Error) {
	key := cacheKey{url, sha256.Sum256(slices.Concat(issuer.RawSubject, issuer.RawSubjectPublicKeyInfo))}
	e, failures := c.entry(key)
	select {
	case e.token <- struct{}{}:
		defer func() { <-e.token }()
	case <-ctx.Done():
		return nil, fail(TimedOut, "%w", ctx.Err())
	}
	if e.list != nil && e.list != outdated && e.list.current(now) == nil {
		return e.list, nil
	}
	if failure := c.failedSince(e, failures); failure != nil {
		return nil, failure
	}
	l, failure := c.download(ctx, url)
	if failure == nil {
		failure = l.verify(issuer, now)
	}
	if failure == nil {
		failure = l.follows(e.list)
	}
	if failure != nil {
		c.failed(key, e, failure, ctx.Err() == nil)
		return nil, failure
	}
	e.list = l
	c.keep(key, e, l.size)
	return l, nil
}

// failedSince returns the last failure if there was one since the count.
func (c *Checker) failedSince(e *cached, failures int) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.failures == failures {
		return nil
	}
	failure := e.failure
	return &failure
}

// failed records a failure, unless it is that of one caller's context. It removes an
// entry that never had a list, so that URLs which do not work take no memory.
func (c *Checker) failed(key cacheKey, e *cached, failure *Error, shared bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared {
		e.failure = *failure
		e.failures++
	}
	if e.list == nil && c.lists[key] == e {
		delete(c.lists, key)
	}
}

// keep puts an entry back and removes others until the limits hold.
func (c *Checker) keep(key cacheKey, e *cached, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.size = size
	c.lists[key] = e
	total := 0
	for _, other := range c.lists {
		total += other.size
	}
	for k, other := range c.lists {
		if len(c.lists) <= maxKept && int64(total) <= maxKeptSizes*c.maxSize() {
			return
		}
		if k != key {
			delete(c.lists, k)
			total -= other.size
		}
	}
}

func (c *Checker) maxSize() int64 {
	if c.MaxSize == 0 {
		return DefaultMaxSize
	}
	return c.MaxSize
}

// download fetches and parses the list at a URL.
func (c *Checker) download(ctx context.Context, address string) (*list, *Error) {
	limit, timeout, client := c.maxSize(), c.Timeout, c.HTTP
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if client == nil {
		client = http.DefaultClient
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fail(Unreachable, "%w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, downloadFailure(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fail(Unreachable, "HTTP status %d", response.StatusCode)
	}
	if response.ContentLength > limit {
		return nil, fail(TooLarge, "%d bytes, more than %d", response.ContentLength, limit)
	}
	der, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, downloadFailure(ctx, err)
	}
	if int64(len(der)) > limit {
		return nil, fail(TooLarge, "more than %d bytes", limit)
	}
	return parseList(der)
}

func downloadFailure(ctx context.Context, err error) *Error {
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err // the Error has the URL
	}
	if ctx.Err() != nil {
		return fail(TimedOut, "%w", err)
	}
	return fail(Unreachable, "%w", err)
}
