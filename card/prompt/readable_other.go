//go:build !unix

package prompt

import (
	"context"
	"os"
)

// waitReadable does not wait: the read that follows blocks until the next key,
// and ctx is checked between keys.
func waitReadable(ctx context.Context, _ *os.File) error { return ctx.Err() }
