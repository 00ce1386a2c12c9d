package driver_test

import (
	"testing"

	"github.com/smartlogon/smartlogon/card/driver"
	"github.com/stretchr/testify/assert"
)

func TestErrnoText(t *testing.T) {
	assert.EqualError(t, driver.SharingViolation, "another program holds the card")
	assert.EqualError(t, driver.Errno(0x80100777), "PC/SC error 80100777")
}
