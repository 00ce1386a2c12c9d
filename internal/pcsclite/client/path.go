package client

import (
	"io/fs"
	"os"
)

// Path returns the path of the socket of the service: the value of
// PCSCLITE_CSOCK_NAME, as for libpcsclite, or else the first of /run and /var/run
// that has pcscd's socket.
func Path() string {
	const (
		current = "/run/pcscd/pcscd.comm"
		legacy  = "/var/run/pcscd/pcscd.comm"
	)
	if path := os.Getenv("PCSCLITE_CSOCK_NAME"); path != "" {
		return path
	}
	for _, path := range []string{current, legacy} {
		if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return path
		}
	}
	return current
}
