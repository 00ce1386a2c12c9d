package cli

import (
	"fmt"
	"io"
	"os"
)

// MaxFile is the size limit of a file that a program reads, in bytes.
const MaxFile = 16 << 20

// ReadFile reads a file of at most MaxFile bytes. The size is not known beforehand:
// the file can be a pipe or a device.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("read %s: larger than %d MiB", name, MaxFile>>20)
	}
	return data, nil
}
