package soak_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Environment variables.
const (
	durationVariable = "SMARTLOGON_SOAK"
	seedVariable     = "SMARTLOGON_SOAK_SEED"

	// For the process of one backend.
	backendVariable = "SMARTLOGON_SOAK_BACKEND"
	reportVariable  = "SMARTLOGON_SOAK_REPORT"
)

const roundLength = 6 * time.Second

// seed returns the seed of the random choices.
func seed() (uint64, error) {
	text := os.Getenv(seedVariable)
	if text == "" {
		return 1, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

func run(b backend, seed uint64, duration, length time.Duration) (report, error) {
	f, err := newFixture(b, seed)
	if err != nil {
		return report{}, err
	}
	r := f.rounds(duration, length)
	return r, f.close()
}

// TestShortSoak runs one round, until everything has happened once.
func TestShortSoak(t *testing.T) {
	n, err := seed()
	require.NoError(t, err)
	for _, b := range backends()[:2] { // one socket per process: see openLibrary
		t.Run(b.name, func(t *testing.T) {
			r, err := run(b, n, 0, 400*time.Millisecond)
			require.NoError(t, err)
			assert.Empty(t, r.Texts)
			for _, f := range r.Figures {
				t.Logf("%s: %d", f.Name, f.Value)
			}
		})
	}
}

// TestSoak runs each backend in a process of its own, all at the same time.
func TestSoak(t *testing.T) {
	text := os.Getenv(durationVariable)
	if text == "" {
		t.Skipf("%s is not set: make soak runs this for 10 minutes", durationVariable)
	}
	duration, err := time.ParseDuration(text)
	require.NoError(t, err)
	n, err := seed()
	require.NoError(t, err)
	list := backends()
	fmt.Printf("soak: %v, %d readers, %d signers, %s=%d\n", duration, readerCount, signers, seedVariable, n)
	if openLibrary == nil {
		fmt.Println("missing libpcsclite: this test was built without it")
	}
	reports, errs := make([]report, len(list)), make([]error, len(list))
	var all sync.WaitGroup
	for i, b := range list {
		file := filepath.Join(t.TempDir(), "report")
		all.Go(func() { reports[i], errs[i] = runProcess(b.name, file) })
	}
	all.Wait()
	for i, b := range list {
		assert.NoError(t, errs[i], b.name)
	}
	reports = slices.DeleteFunc(reports, func(r report) bool { return r.Backend == "" }) // the process failed
	printTable(os.Stdout, reports)
	for _, r := range reports {
		assert.Zero(t, r.Faults, "%s:\n%s", r.Backend, strings.Join(r.Texts, "\n"))
	}
}

// runProcess runs one backend in a process of its own.
func runProcess(name, file string) (r report, err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), backendVariable+"="+name, reportVariable+"="+file)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return r, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// runBackend is the process of one backend. It returns the exit status.
func runBackend(name string) int {
	duration, err := time.ParseDuration(os.Getenv(durationVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	n, err := seed()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, b := range backends() {
		if b.name != name {
			continue
		}
		r, err := run(b, n, duration, roundLength)
		if err == nil {
			var text []byte
			if text, err = json.Marshal(r); err == nil {
				err = os.WriteFile(os.Getenv(reportVariable), text, 0o644)
			}
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return 1
		}
		return 0
	}
	fmt.Fprintf(os.Stderr, "no backend %q\n", name)
	return 1
}
