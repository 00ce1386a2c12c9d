package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

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
		certificates, err := readCertificates(name)
		if err != nil {
			result = errUnreadable
			e.out.problem(name, err, "")
		}
		for i, der := range certificates {
			source := name
			if i > 0 {
				source = fmt.Sprintf("%s (certificate %d)", name, i+1)
			}
			x, err := e.explain(source, der, rules.KeySpec{})
			if err != nil {
				result = errUnreadable
				e.out.problem(source, err, "")
				continue
			}
			e.out.certificate(x)
		}
	}
	return result
}

// readCertificates reads the certificates in a PEM file, or the one in a DER file.
func readCertificates(name string) ([][]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("file of %d bytes is too large for a certificate", info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		return [][]byte{data}, nil
	}
	var certificates [][]byte
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			certificates = append(certificates, block.Bytes)
		}
		data = rest
	}
	if certificates == nil {
		return nil, errors.New("no certificate in the PEM file")
	}
	return certificates, nil
}
