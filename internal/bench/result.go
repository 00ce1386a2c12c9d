package main

import "time"

// Results are what results.json holds.
type Results struct {
	Programs []ProgramState
	Rows     []Row
}

// A ProgramState names a program and the version that ran, or why it did not.
type ProgramState struct{ Name, Version, Missing string }

// A Row is what one part of a job took.
type Row struct {
	Program, Job, Card string
	Note               string // why there is no result

	Exchanges, BytesIn, BytesOut int
	CPU                          float64 // processor time of the program in ms
	Done                         int     // certificates or signatures, 0 if unknown
	ToOne                        float64 // time of several readers to that of one, 0 if not measured

	wall time.Duration
}

// Bytes returns the bytes in both directions.
func (r Row) Bytes() int { return r.BytesIn + r.BytesOut }

// find returns the row of a program, and false if it has no result.
func (r Results) find(program, job, card string) (Row, bool) {
	for _, row := range r.Rows {
		if row.Program == program && row.Job == job && row.Card == card {
			return row, row.Note == ""
		}
	}
	return Row{}, false
}
