//go:build unix

package prompt

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// waitReadable waits until a key is pressed or ctx ends. No system call waits for
// both, so poll is limited to 100 ms.
func waitReadable(ctx context.Context, in *os.File) error {
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
