package main

import (
	"fmt"
	"strings"

	"github.com/smartlogon/smartlogon/internal/bench/chart"
)

const library = "smartlogon"

const introduction = `# Benchmarks

This page counts what programs send to the same software cards over the same socket, and models the time that this takes on real ones: exchanges × latency + bytes ÷ rate. ` + "`make bench`" + ` measures and writes this page; ` + "`make deps`" + ` installs the other programs.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="internal/bench/chart-dark.svg">
  <img alt="Modeled time of listing and of signing in over USB, for this library and four other programs" src="internal/bench/chart-light.svg">
</picture>

`

const jobsText = `## Jobs

- **list 4**, **list 24**: the program starts and reads each certificate of a card with so many.
- **list again**: the same process lists an unchanged card again. PKCS #11 modules keep the objects of a session and read nothing. The library reads the certificates again, since an unchanged card in the reader may have new ones.
- **list cached**: list again with Finder.Cache, which reads only the identity of the card.
- **sign in**: start, list 4, PIN, one RSA signature with the key in 9A, end.
- **10 signatures**: the same with ten signatures.
- **insertion**: from the insertion of a card to the first certificate that the program has.
- **list 16 × 4**: 16 readers with a card of 4 certificates each. The last column is the time of this to that of one reader, both measured with 10 ms an exchange.

piv-go lists no certificates: its program reads the slots that have one. It holds the card exclusively, and verifies no signature. yubico-piv-tool lists and signs in two processes. OpenSC and ykcs11 are PKCS #11 modules in a program that calls them.

`

func (r Results) markdown() []byte {
	var b strings.Builder
	b.WriteString(introduction)
	b.WriteString("| program | version |\n| --- | --- |\n")
	for _, p := range r.Programs {
		version := p.Version
		if p.Missing != "" {
			version = "missing: " + p.Missing
		}
		fmt.Fprintf(&b, "| %s | %s |\n", p.Name, version)
	}
	b.WriteString("\n")
	b.WriteString(jobsText)
	for _, card := range []string{yubiKey, plain, contact} {
		r.table(&b, card)
	}
	b.WriteString("## The model\n\n| link | latency | rate | source |\n| --- | --: | --: | --- |\n")
	for _, l := range links {
		fmt.Fprintf(&b, "| %s | %d ms | %.1f kB/s | %s |\n", l.name, l.latency.Milliseconds(), float64(l.rate)/1000, l.source)
	}
	b.WriteString("\nThe times leave out what the card computes for a signature, which is the same for each program, and the processor time of the host. That is in the column \"host\", the start of the process included; it depends on the machine, so compare rows of one table only.\n")
	return []byte(b.String())
}

// linksOf returns the links over which a kind of card is used.
func linksOf(card string) []link {
	if card == contact {
		return links[1:2]
	}
	return []link{links[0], links[2]}
}

func (r Results) table(b *strings.Builder, card string) {
	fmt.Fprintf(b, "## %s\n\n| job | program | exchanges | bytes | host |", card)
	rule := "| --- | --- | --: | --: | --: |"
	for _, l := range linksOf(card) {
		fmt.Fprintf(b, " %s |", l.name)
		rule += " --: |"
	}
	fmt.Fprintf(b, " to one reader |\n%s --: |\n", rule)
	for _, row := range r.byJob(card) {
		if row.Note != "" && row.Exchanges == 0 {
			fmt.Fprintf(b, "| %s | %s | %s |%s\n", row.Job, row.Program, row.Note, strings.Repeat(" |", 3+len(linksOf(card))))
			continue
		}
		program := row.Program
		if row.Note != "" {
			program += " (" + row.Note + ")"
		}
		if row.Program == library {
			program = "**" + program + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %d | %d | %.1f ms |", row.Job, program, row.Exchanges, row.Bytes(), row.CPU)
		for _, l := range linksOf(card) {
			if row.ToOne > 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(b, " %d ms |", l.time(row.Exchanges, row.Bytes()).Milliseconds())
		}
		if row.ToOne > 0 {
			fmt.Fprintf(b, " %.1f", row.ToOne)
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n")
}

// byJob returns the rows of a card, those of one job together. Programs that cannot
// use the card at all are left out.
func (r Results) byJob(card string) (rows []Row) {
	var jobs []string
	seen := map[string]bool{}
	usable := map[string]bool{}
	for _, row := range r.Rows {
		if row.Card == card && !seen[row.Job] {
			seen[row.Job] = true
			jobs = append(jobs, row.Job)
		}
		if row.Card == card && row.Exchanges > 0 {
			usable[row.Program] = true
		}
	}
	for _, job := range jobs {
		for _, row := range r.Rows {
			if row.Card == card && row.Job == job && usable[row.Program] {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// panels returns the charts, for a USB token.
func (r Results) panels() (panels []chart.Panel) {
	for _, p := range []struct{ job, card, title string }{
		{"list 4", yubiKey, "YubiKey: list 4 certificates"},
		{"list 24", yubiKey, "YubiKey: list 24 certificates"},
		{"sign in", yubiKey, "YubiKey: list, PIN, signature"},
		{"sign in", plain, "PIV card: list, PIN, signature"},
	} {
		panel := chart.Panel{Title: p.title}
		for _, program := range r.Programs {
			bar := chart.Bar{Name: program.Name, Accent: program.Name == library, Value: -1}
			if row, ok := r.find(program.Name, p.job, p.card); ok {
				bar.Value = float64(links[0].time(row.Exchanges, row.Bytes()).Milliseconds())
			}
			panel.Bars = append(panel.Bars, bar)
		}
		panels = append(panels, panel)
	}
	return panels
}
