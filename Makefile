# make demo     sign in with a software card
# make test     everything that needs Go only
# make oldest   the same with the oldest Go that go.mod allows
# make lint     gofmt, go vet, staticcheck
# make apidiff  changes of the exported interface since BASE, or the last tag
# make vuln     govulncheck, where its database can be reached
# make deps     Debian packages for the next one
# make interop  the real PC/SC service, and foreign programs
# make pivgo    of that, piv-go's own tests on software YubiKeys
# make browsers Firefox and Chromium sign in with the software card, as root, and open
#               the page of explain -html
# make soak     16 readers and 8 signers for SOAK on each backend; part of interop
# make cross    build and vet for other systems
# make fuzz     each fuzz target for FUZZTIME
# make load     tests that depend on time, COUNT times on a busy machine
# make cover    how much of the code the tests run
# make gobench  Go benchmarks, for benchstat
# make bench    this library beside other programs; writes BENCHMARKS.md

GO       ?= go
FUZZTIME ?= 1m
SOAK     ?= 10m
COUNT    ?= 200

# Packages with tests for make interop.
INTEROP = card/pcsc internal/interop

DEBS = gcc libc6-dev pkg-config libpcsclite-dev pcscd vsmartcard-vpcd \
       opensc opensc-pkcs11 pcsc-tools yubico-piv-tool ykcs11 openssl \
       wine wine64 gcc-mingw-w64-x86-64 pinentry-curses pinentry-tty tmux \
       nginx openssh-client openssh-server git krb5-kdc krb5-admin-server \
       krb5-pkinit krb5-user samba winbind samba-ad-provision \
       samba-dsdb-modules samba-vfs-modules iproute2 curl \
       libengine-pkcs11-openssl mandoc zsh fish

# For make browsers: 306 MB.
BROWSERDEBS = firefox-esr chromium opensc-pkcs11 libnss3-tools xvfb xdotool imagemagick

.PHONY: demo test oldest lint apidiff vuln deps interop pivgo browsers soak cross fuzz load cover gobench bench

demo:
	@CGO_ENABLED=0 DEMO_PIN=123456 $(GO) run ./examples/signin -pin-env DEMO_PIN

test:
	@GO="$(GO)" sh .ci/test

oldest:
	@GO="$(GO)" sh .ci/oldest

lint:
	@GO="$(GO)" sh .ci/lint

apidiff:
	@GO="$(GO)" BASE="$(BASE)" sh .ci/apidiff

vuln:
	@GO="$(GO)" sh .ci/vuln

deps:
	@sh .ci/deps $(DEBS)

# go test shows what passing tests say where it is not told a package.
interop: cross
	@for dir in $(INTEROP); do (cd $$dir && SMARTLOGON_INTEROP=1 $(GO) test -count=1 -timeout 20m) || exit; done
	@$(MAKE) --no-print-directory soak SOAK=1m

pivgo:
	@cd internal/interop && SMARTLOGON_INTEROP=1 $(GO) test -count=1 -run '^TestPIVGo$$'

# The names of dialogs decide, so this is not part of interop.
browsers:
	@sh .ci/deps $(BROWSERDEBS)
	@GO="$(GO)" SCREENSHOTS="$(SCREENSHOTS)" sh .ci/browsers

soak:
	@pkg-config --exists libpcsclite || { echo "missing libpcsclite"; export CGO_ENABLED=0; }; \
	cd internal/soak && SMARTLOGON_SOAK="$(SOAK)" $(GO) test -count=1 -timeout 0 -run '^TestSoak$$'

cross:
	@GO="$(GO)" sh .ci/cross

fuzz:
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" sh .ci/fuzz

load:
	@GO="$(GO)" COUNT="$(COUNT)" sh .ci/load

cover:
	@$(GO) test -tags pcsclite_go -coverprofile=cover.out ./...
	@$(GO) tool cover -func=cover.out | tail -n 1

gobench:
	@$(GO) test -tags pcsclite_go -run '^$$' -bench . -benchmem ./...

bench:
	@cd internal/bench && $(GO) run . $(BENCHFLAGS)
