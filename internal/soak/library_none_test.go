//go:build !linux || !cgo || pcsclite_go

package soak_test

import "github.com/smartlogon/smartlogon/card"

var openLibrary func(path string) *card.Service
