package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/smartlogon/smartlogon/internal/bench/internal/job"
)

// A program is one of those that are measured.
type program struct {
	name    string
	path    string
	env     []string
	version string
	missing string // why it is not measured, "" if it is

	// arguments returns the command lines for a job. Nil means that the program
	// follows package job.
	arguments func(jobName, certificate string) [][]string

	// cannot returns why the program cannot do a job, "" if it can.
	cannot func(c benchCase) string
}

func (p program) state() ProgramState { return ProgramState{p.name, p.version, p.missing} }

const modules = "/usr/lib/x86_64-linux-gnu/"

// install builds and looks up the programs.
func install(ctx context.Context, dir string) ([]*program, error) {
	library := &program{name: "smartlogon", cannot: func(benchCase) string { return "" }}
	pivGo := &program{name: "piv-go", cannot: func(c benchCase) string {
		switch {
		case c.job == job.First:
			return "cannot wait for a card"
		case !c.isYubiKey():
			return "YubiKeys only"
		}
		return ""
	}}
	openSC := &program{name: "OpenSC", env: []string{"BENCH_MODULE=" + modules + "opensc-pkcs11.so"}, cannot: noWait}
	ykcs11 := &program{name: "ykcs11", env: []string{"BENCH_MODULE=" + modules + "libykcs11.so.2"}, cannot: func(c benchCase) string {
		if !c.isYubiKey() {
			return "YubiKeys only"
		}
		return noWait(c)
	}}
	tool := &program{name: "yubico-piv-tool", arguments: yubicoArguments, cannot: func(c benchCase) string {
		switch {
		case !c.isYubiKey():
			return "YubiKeys only"
		case c.readers > 1:
			return "one reader a run"
		case c.certificates > 4:
			return "status prints the four primary slots only"
		}
		return noWait(c)
	}}

	if err := library.build(ctx, dir, "client", "0"); err != nil {
		return nil, err
	}
	library.version = describe(ctx)
	if err := pivGo.build(ctx, dir, "peers/pivgo", "1"); err != nil {
		pivGo.missing = "it needs a C compiler and the headers of pcsclite"
	}
	pivGo.version = moduleVersion(ctx, "github.com/go-piv/piv-go/v2")
	for _, p := range []*program{openSC, ykcs11} {
		_, module, _ := strings.Cut(p.env[0], "=")
		if _, err := os.Stat(module); err != nil {
			p.missing = "not installed"
		} else if err := p.build(ctx, dir, "peers/pkcs11", "1"); err != nil {
			p.missing = "its user here needs a C compiler"
		}
	}
	openSC.version = packageVersion(ctx, "opensc-pkcs11")
	ykcs11.version = packageVersion(ctx, "ykcs11")
	tool.version = packageVersion(ctx, "yubico-piv-tool")
	var err error
	if tool.path, err = exec.LookPath("yubico-piv-tool"); err != nil {
		tool.missing = "not installed"
	}
	return []*program{library, pivGo, openSC, tool, ykcs11}, nil
}

func noWait(c benchCase) string {
	if c.job == job.First {
		return "reads a card at a call, not at its insertion"
	}
	return ""
}

// yubicoArguments lists in one run and signs in another: with a slot, which signing
// needs, the tool lists that slot only.
func yubicoArguments(jobName, certificate string) [][]string {
	runs := [][]string{{"-a", "status"}}
	times := map[string]int{job.Sign: 1, job.Ten: 10}[jobName]
	if times == 0 {
		return runs
	}
	sign := []string{"-s", "9a", "-P", "123456", "-i", certificate, "-a", "verify-pin"}
	for range times {
		sign = append(sign, "-a", "test-signature")
	}
	return append(runs, sign)
}

func (p *program) build(ctx context.Context, dir, pkg, cgo string) error {
	p.path = filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-o", p.path, "./"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return nil
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func describe(ctx context.Context) string {
	return output(ctx, "git", "describe", "--always", "--dirty")
}

func moduleVersion(ctx context.Context, module string) string {
	return output(ctx, "go", "list", "-m", "-f", "{{.Version}}", module)
}

var upstream = regexp.MustCompile(`^[0-9.]+`)

func packageVersion(ctx context.Context, name string) string {
	return upstream.FindString(output(ctx, "dpkg-query", "-W", "-f", "${Version}", name))
}
