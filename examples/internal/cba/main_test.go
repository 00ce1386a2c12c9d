package cba_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
