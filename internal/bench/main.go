// Bench measures this library beside other programs that use smart cards, on the
// same software cards over the same socket, and writes the results.
//
//	bench [-n RUNS] [-out FOLDER] [-only PROGRAM] [-draw]
//
// The folder gets BENCHMARKS.md, internal/bench/results.json, and the charts
// chart-light.svg and chart-dark.svg beside it. Programs that are not installed are
// named and left out. make deps installs them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/smartlogon/smartlogon/internal/bench/chart"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	runs := flag.Int("n", 5, "`number` of runs of each job; times are medians")
	out := flag.String("out", filepath.Join("..", ".."), "`folder` for the results")
	only := flag.String("only", "", "measure this `program` only and write nothing")
	draw := flag.Bool("draw", false, "measure nothing; write the page and the charts from results.json again")
	flag.Parse()
	if *draw {
		var results Results
		text, err := os.ReadFile(filepath.Join(*out, "internal", "bench", "results.json"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &results); err != nil {
			return err
		}
		return results.write(*out)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := install(ctx, dir)
	if err != nil {
		return err
	}
	var results Results
	for _, p := range programs {
		if *only != "" && p.name != *only {
			continue
		}
		results.Programs = append(results.Programs, p.state())
		fmt.Println(p.name, p.version, p.missing)
		if p.missing != "" {
			continue
		}
		for _, c := range cases {
			rows, err := c.measure(ctx, dir, p, *runs)
			if err != nil {
				return fmt.Errorf("%s: %s on %s: %w", p.name, c.job, c.card, err)
			}
			for _, r := range rows {
				fmt.Printf("  %-10s %-18s %4d exchanges, %6d bytes, %7.1f ms of processor time %s\n", r.Job, r.Card, r.Exchanges, r.Bytes(), r.CPU, r.Note)
			}
			results.Rows = append(results.Rows, rows...)
		}
	}
	if *only != "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*out, "internal", "bench", "results.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return results.write(*out)
}

// write writes the page and the charts.
func (r Results) write(out string) error {
	if err := os.WriteFile(filepath.Join(out, "BENCHMARKS.md"), r.markdown(), 0o644); err != nil {
		return err
	}
	return chart.Write(filepath.Join(out, "internal", "bench"), r.panels())
}
