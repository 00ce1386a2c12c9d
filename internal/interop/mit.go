//go:build linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/softkdc"
)

// A MITKDC is a real KDC of MIT Kerberos on loopback, with its own database.
type MITKDC struct {
	Realm   string
	Address string // HOST:PORT
	Dir     string
	Conf    string // krb5.conf for MIT's programs

	env []string
}

// kdcPrograms are often not in PATH.
const kdcPrograms = "/usr/sbin"

// NewMITKDC starts a KDC with the certificate of an authority. It trusts the
// certificates of clients. options are more lines of the realm in kdc.conf. The
// accounts have no password and need pre-authentication. The KDC ends with the test.
func NewMITKDC(t *testing.T, realm string, authority *softkdc.Authority, clients []byte, options, accounts []string) *MITKDC {
	t.Helper()
	kdc := Program(t, filepath.Join(kdcPrograms, "krb5kdc"), "dpkg-query", "-W", "-f", "${Version}", "krb5-kdc")
	admin := Program(t, filepath.Join(kdcPrograms, "kadmin.local"), "dpkg-query", "-W", "-f", "${Version}", "krb5-admin-server")
	if found, _ := filepath.Glob("/usr/lib/*/krb5/plugins/preauth/pkinit.so"); len(found) == 0 {
		Missing(t, "krb5-pkinit")
	}
	port, err := freePorts()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := &MITKDC{Realm: realm, Address: fmt.Sprint("127.0.0.1:", port), Dir: dir, Conf: filepath.Join(dir, "krb5.conf")}
	k.env = append(os.Environ(), "LC_ALL=C", "KRB5_CONFIG="+k.Conf, "KRB5_KDC_PROFILE="+filepath.Join(dir, "kdc.conf"))
	identity := authority.Issue(realm, nil)
	key, err := x509.MarshalPKCS8PrivateKey(identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	files := map[string]string{
		"krb5.conf": fmt.Sprintf("[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\nudp_preference_limit = 1\n"+
			"[realms]\n%s = {\nkdc = %s\npkinit_anchors = FILE:%s/kdcca.pem\n}\n[logging]\nkdc = STDERR\n", realm, realm, k.Address, dir),
		"kdc.conf": fmt.Sprintf("[kdcdefaults]\nkdc_listen = %s\nkdc_tcp_listen = %s\n[realms]\n%s = {\ndatabase_name = %s/principal\nkey_stash_file = %s/stash\n"+
			"max_renewable_life = 7d\npkinit_identity = FILE:%s/kdc.pem,%s/kdc.key\npkinit_anchors = FILE:%s/clientca.pem\n"+
			"pkinit_allow_upn = true\npkinit_eku_checking = scLogin\n%s\n}\n",
			k.Address, k.Address, realm, dir, dir, dir, dir, dir, strings.Join(options, "\n")),
		"kdcca.pem":    certificate(authority.Certificate()),
		"clientca.pem": certificate(clients),
		"kdc.pem":      certificate(identity.Chain[0]),
		"kdc.key":      string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	commands := [][]string{{filepath.Join(kdcPrograms, "kdb5_util"), "create", "-s", "-r", realm, "-P", "masterpw"}}
	for _, a := range accounts {
		commands = append(commands, []string{admin, "-q", "addprinc -nokey +requires_preauth " + a})
	}
	commands = append(commands, []string{admin, "-q", "modprinc -maxrenewlife 7d krbtgt/" + realm}, []string{admin, "-q", "addprinc -randkey host/web.example.com"})
	for _, c := range commands {
		k.Run(t, c[0], c[1:]...)
	}
	k.start(t, kdc)
	return k
}

// start runs the KDC until the end of the test.
func (k *MITKDC) start(t *testing.T, program string) {
	t.Helper()
	cmd := exec.Command(program, "-n", "-P", filepath.Join(k.Dir, "pid"))
	cmd.Env = k.env
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	var text []string
	for lines.Scan() {
		text = append(text, lines.Text())
		if strings.Contains(lines.Text(), "commencing operation") {
			break
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
			text = append(text, lines.Text())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("krb5kdc: %v", err)
		}
		if t.Failed() {
			t.Logf("krb5kdc:\n%s", strings.Join(text[max(0, len(text)-20):], "\n"))
		}
	})
	if _, err := net.Dial("tcp", k.Address); err != nil {
		t.Fatal(err)
	}
}

// Run runs one of MIT's programs with the configuration of the KDC and returns its
// output.
func (k *MITKDC) Run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := k.TryRun(t, nil, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// TryRun is Run with more environment variables and an error.
func (k *MITKDC) TryRun(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(k.env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
