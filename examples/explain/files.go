package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/smartlogon/smartlogon/card"
	"github.com/smartlogon/smartlogon/enumerate/rules"
)

// maxFile is the size limit of a file, in bytes.
const maxFile = 16 << 20

// errUnreadable reports that a file or a part of it could not be read. The reason has
// been printed.
var errUnreadable = errors.New("not all certificates could be read")

// files explains the certificates in files.
func (e *explainer) files(names []string) error {
	var result error
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			result = errUnreadable
			e.out.problem(name, err, "")
			continue
		}
		n := 0
		for der, err := range certificates(data) {
			n++
			source := name
			if n > 1 {
				source = fmt.Sprintf("%s (certificate %d)", name, n)
			}
			var x *explanation
			if err == nil {
				x, err = e.explain(source, der, rules.KeySpec{})
			}
			if err != nil {
				result = errUnreadable
				e.out.problem(source, err, card.Hint(err))
				continue
			}
			e.out.certificate(x)
		}
	}
	return result
}

// readFile reads a file of at most maxFile bytes. The size is not known beforehand:
// the file can be a pipe or a device.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB, the limit for a file of certificates", maxFile>>20)
	}
	return data, nil
}
