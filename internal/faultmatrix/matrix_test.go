package faultmatrix_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/stretchr/testify/assert"
)

func TestInProcess(t *testing.T) {
	count := faultmatrix.Run(t, faultmatrix.InProcess, faultmatrix.Cards(), 1)
	fmt.Println("fault matrix, in process:", count)
	assert.GreaterOrEqual(t, count.Cases, 2000)
	assert.Positive(t, count.Right)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

func TestOnASocket(t *testing.T) {
	count := faultmatrix.Run(t, faultmatrix.Socket, faultmatrix.Cards(), 40)
	fmt.Println("fault matrix, on a socket:", count)
	assert.GreaterOrEqual(t, count.Cases, 100)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}
