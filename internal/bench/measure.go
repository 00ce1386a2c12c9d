package main

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smartlogon/smartlogon/card/cardtest"
	"github.com/smartlogon/smartlogon/internal/bench/internal/job"
)

// A benchCase is a job on a card.
type benchCase struct {
	job          string
	card         string
	certificates int // on each card
	readers      int
}

func (c benchCase) isYubiKey() bool { return c.card == yubiKey }

var cases = []benchCase{
	{job.List, yubiKey, 4, 1},
	{job.List, yubiKey, 24, 1},
	{job.Sign, yubiKey, 4, 1},
	{job.Ten, yubiKey, 4, 1},
	{job.First, yubiKey, 4, 1},
	{job.List, yubiKey, 4, 16},
	{job.List, plain, 4, 1},
	{job.List, plain, 24, 1},
	{job.Sign, plain, 4, 1},
	{job.Ten, plain, 4, 1},
	{job.First, plain, 4, 1},
	{job.List, plain, 4, 16},
	{job.List, contact, 4, 1},
	{job.Sign, contact, 4, 1},
}

// parallelDelay is the time that each exchange takes when several readers are used
// at once, so that the programs' own order of commands decides on the time.
const parallelDelay = 10 * time.Millisecond

// measure runs a case and returns a row for each of its parts.
func (c benchCase) measure(ctx context.Context, dir string, p *program, runs int) ([]Row, error) {
	if reason := p.cannot(c); reason != "" {
		return []Row{{Program: p.name, Job: c.label(""), Card: c.card, Note: reason}}, nil
	}
	byPart := map[string][]Row{}
	var parts []string
	for range runs {
		rows, err := c.once(ctx, dir, p)
		if err != nil {
			return nil, err
		}
		if c.readers > 1 {
			rows = rows[:1]
		}
		for _, r := range rows {
			if byPart[r.Job] == nil {
				parts = append(parts, r.Job)
			}
			byPart[r.Job] = append(byPart[r.Job], r)
		}
	}
	var result []Row
	for _, part := range parts {
		rows := byPart[part]
		r := rows[0]
		r.CPU = median(rows, func(r Row) float64 { return r.CPU })
		r.Exchanges = int(median(rows, func(r Row) float64 { return float64(r.Exchanges) }))
		result = append(result, r)
	}
	if c.readers > 1 {
		one := c
		one.readers = 1
		several, err := c.wall(ctx, dir, p, runs)
		if err != nil {
			return nil, err
		}
		single, err := one.wall(ctx, dir, p, runs)
		if err != nil {
			return nil, err
		}
		result[0].ToOne = several / single
		if all := c.readers * c.certificates; result[0].Done < all {
			result[0].Note = fmt.Sprintf("it finds %d of %d certificates", result[0].Done, all)
		}
		return result[:1], nil
	}
	return result, nil
}

// wall returns the median time of a listing in which each exchange takes parallelDelay.
func (c benchCase) wall(ctx context.Context, dir string, p *program, runs int) (float64, error) {
	var rows []Row
	for range runs {
		r, err := c.delayed(ctx, dir, p, parallelDelay)
		if err != nil {
			return 0, err
		}
		rows = append(rows, r[0])
	}
	return median(rows, func(r Row) float64 { return r.wall.Seconds() }), nil
}

func median(rows []Row, value func(Row) float64) float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = value(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// label returns the name of a part of the job in the tables.
func (c benchCase) label(part string) string {
	switch {
	case c.readers > 1:
		return fmt.Sprintf("list %d × %d", c.readers, c.certificates)
	case part == "again", part == "cached":
		return fmt.Sprintf("list %d %s", c.certificates, part)
	case c.job == job.Sign:
		return "sign in"
	case c.job == job.Ten:
		return "10 signatures"
	case c.job == job.First:
		return "insertion"
	}
	return fmt.Sprintf("list %d", c.certificates)
}

func (c benchCase) once(ctx context.Context, dir string, p *program) ([]Row, error) {
	delay := time.Duration(0)
	if c.job == job.First {
		delay = parallelDelay // what is read ahead does not count
	}
	return c.delayed(ctx, dir, p, delay)
}

// delayed runs a job on new cards, of which each exchange takes the given time.
func (c benchCase) delayed(ctx context.Context, dir string, p *program, delay time.Duration) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	readers := cardtest.NewReaders()
	defer readers.Close()
	cards := make([]*cardtest.Card, c.readers)
	for i := range cards {
		cards[i] = newCard(c.card, c.certificates)
		if c.job == job.First {
			readers.Plug(readerName(c.card, i), nil)
		} else {
			readers.Plug(readerName(c.card, i), cards[i])
		}
	}
	if delay > 0 {
		readers.OnCommand(func(string, []byte) { time.Sleep(delay) })
	}
	socket := filepath.Join(dir, "pcscd.comm")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	go readers.Serve(l)

	// The tool wants the certificate for its check of the signature in a file.
	_, der := cardtest.TestCA().Issue(cardtest.Leaf{Key: cardtest.Key(cardtest.RSA2048, 0)})
	certificate := filepath.Join(dir, "certificate.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	command := func(arguments ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, p.path, arguments...)
		cmd.Env = append(append(os.Environ(), p.env...), "PCSCLITE_CSOCK_NAME="+socket, "LC_ALL=C", "HOME="+dir,
			fmt.Sprintf("BENCH_CERTIFICATES=%d", c.certificates))
		return cmd
	}

	counter := counter{cards: cards}
	if p.arguments != nil {
		start := time.Now()
		var used time.Duration
		for _, arguments := range p.arguments(c.job, certificate) {
			cmd := command(arguments...)
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: %s", err, out)
			}
			used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
		r := counter.since(c.label(""), p.name, c.card)
		r.wall = time.Since(start)
		r.CPU = float64(used.Microseconds()) / 1000
		return []Row{r}, nil
	}
	insert := func() {
		for i := range cards {
			readers.Insert(readerName(c.card, i), cards[i])
		}
	}
	return c.follow(command(c.job), &counter, p, insert)
}

// follow reads the marks of a program (package job).
func (c benchCase) follow(cmd *exec.Cmd, counter *counter, p *program, insert func()) (rows []Row, err error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	used := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var part string
		var n, cpu int
		if _, err := fmt.Sscan(lines.Text(), &part, &n, &cpu); err != nil {
			continue // what a module prints
		}
		r := counter.since(c.label(part), p.name, c.card)
		r.wall = time.Since(start)
		r.CPU = float64(cpu-used) / 1000
		r.Done = n
		used = cpu
		switch part {
		case "ready":
			insert()
		case job.Skip:
		default:
			rows = append(rows, r)
		}
		if _, err := io.WriteString(in, "\n"); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no result: %s", stderr.String())
	}
	return rows, nil
}

// A counter reads what happened at the cards.
type counter struct {
	cards  []*cardtest.Card
	before cardtest.Count
}

// since returns a row with the traffic since the last call.
func (k *counter) since(label, program, card string) Row {
	var now cardtest.Count
	for _, c := range k.cards {
		n := c.Exchanges()
		now.Commands += n.Commands
		now.BytesIn += n.BytesIn
		now.BytesOut += n.BytesOut
	}
	r := Row{Program: program, Job: label, Card: card,
		Exchanges: now.Commands - k.before.Commands,
		BytesIn:   now.BytesIn - k.before.BytesIn,
		BytesOut:  now.BytesOut - k.before.BytesOut,
	}
	k.before = now
	return r
}
