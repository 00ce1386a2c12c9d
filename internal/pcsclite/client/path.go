package client

import (
	"io/fs"
	"os"
)

// Path is where the service listens on this machine: the value of
// PCSCLITE_CSOCK_NAME, as for libpcsclite, else the first of /run and /var/run
// that has pcscd's socket.
func Path() string {
	const (
		usual = "/run/pcscd/pcscd.comm"
		old   = "/var/run/pcscd/pcscd.comm"
	)
	if path := os.Getenv("PCSCLITE_CSOCK_NAME"); path != "" {
		return path
	}
	for _, path := range []string{usual, old} {
		if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
			return path
		}
	}
	return usual
}
