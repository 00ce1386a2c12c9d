//go:build !unix

package prompt

import (
	"context"
	"os"
)

// readable cannot wait for a key here: the read that follows does, and ctx is
// heeded between two keys.
func readable(ctx context.Context, _ *os.File) error { return ctx.Err() }
