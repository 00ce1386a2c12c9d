package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smartlogon/smartlogon/examples/internal/cli"
)

// chooseReader returns the reader of the YubiKey to write to: the named one, or the
// only one. It does not choose between several: the key in slot 9A would be lost.
func chooseReader(readers []string, name string) (string, error) {
	var yubikeys []string
	for _, r := range readers {
		if strings.Contains(strings.ToLower(r), "yubikey") {
			yubikeys = append(yubikeys, r)
		}
	}
	switch {
	case name != "" && !slices.Contains(yubikeys, name):
		return "", fmt.Errorf("no YubiKey in a reader named %q", name)
	case name != "":
		return name, nil
	case len(yubikeys) == 0:
		return "", errors.New("no YubiKey is connected")
	case len(yubikeys) > 1:
		return "", cli.Usagef("-reader is required with several YubiKeys: %q", yubikeys)
	}
	return yubikeys[0], nil
}
