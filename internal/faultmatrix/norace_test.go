//go:build !race

package faultmatrix_test

const racing = false
