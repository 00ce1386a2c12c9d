//go:build unix

package prompt

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readable waits until a key was pressed or ctx ends. A terminal cannot be
// waited for together with a context, so it looks ten times a second.
func readable(ctx context.Context, in *os.File) error {
	fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll(fds, 100)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
