// Package job is what the programs that are measured have in common: the names of
// the jobs, and the lines between such a program and the command bench.
//
// A program gets the job as its first argument. Where a part of the job ends, it
// prints the name of the part and the processor time that it used so far, and waits
// until the command has read the counters of the card and writes a line.
package job

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Jobs of a program.
const (
	List  = "list"  // list all certificates, mark, list them again, mark
	Sign  = "sign"  // list, PIN, one signature in 9A, close, mark
	Ten   = "ten"   // the same with ten signatures
	First = "first" // mark without a card, wait for one, mark at its first certificate
)

// Skip is the name of a part that is not in the results.
const Skip = "skip"

// Main runs the function for the job that the command line names.
func Main(jobs map[string]func() error) {
	if len(os.Args) < 2 || jobs[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: %s JOB\n", os.Args[0])
		os.Exit(2)
	}
	if err := jobs[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var answers = bufio.NewReader(os.Stdin)

// Mark reports that a part of the job ended, and waits for the command. n is the
// number of certificates or signatures, by which the command sees that the job was
// done.
func Mark(part string, n int) error {
	fmt.Println(part, n, cpu().Microseconds())
	_, err := answers.ReadString('\n')
	return err
}

// cpu returns the processor time of this process, in user mode and in the kernel.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
