package faultmatrix_test

import (
	"fmt"
	"testing"

	"github.com/smartlogon/smartlogon/internal/faultmatrix"
	"github.com/stretchr/testify/assert"
)

// Every case, or with the race detector one of ten.
func TestInProcess(t *testing.T) {
	every, least, how := 1, 20000, "in process"
	if racing {
		every, least, how = 10, 2000, "in process, with the race detector"
	}
	count := faultmatrix.Run(t, faultmatrix.InProcess, faultmatrix.PrimaryFinder, faultmatrix.Cards(), every)
	fmt.Printf("fault matrix, %s: %v\n", how, count)
	assert.GreaterOrEqual(t, count.Cases, least)
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
