package faultmatrix_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/stretchr/testify/assert"
)

// TestInProcess runs every case, or every 23rd with the race detector or -short.
func TestInProcess(t *testing.T) {
	step, atLeast, extent := 1, 35000, "whole"
	if raceEnabled || testing.Short() {
		step, atLeast, extent = 23, 1000, "sample"
	}
	count := faultmatrix.Run(t, faultmatrix.InProcess, faultmatrix.PrimaryFinder, faultmatrix.Cards(), step)
	fmt.Printf("fault matrix, in process, %s: %v\n", extent, count)
	assert.GreaterOrEqual(t, count.Cases, atLeast)
	assert.Positive(t, count.Right)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}

func TestOnASocket(t *testing.T) {
	count := faultmatrix.Run(t, faultmatrix.Socket, faultmatrix.PrimaryFinder, faultmatrix.Cards(), 100)
	fmt.Println("fault matrix, on a socket:", count)
	assert.GreaterOrEqual(t, count.Cases, 100)
	assert.Positive(t, count.Errors)
	assert.Zero(t, count.Failed)
}
