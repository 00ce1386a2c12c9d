//go:build linux

package interop

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smartlogon/smartlogon/internal/softkdc"
	"golang.org/x/sys/unix"
)

// A SambaDC is a domain controller of Samba in a network namespace of its own: it
// listens on the ports of the protocols.
type SambaDC struct {
	Realm string
	Dir   string

	namespace string
	env       []string
}

// NewSambaDC provisions and starts a domain controller with the certificate of an
// authority. It trusts the certificates of clients. It ends with the test.
func NewSambaDC(t *testing.T, realm string, authority *softkdc.Authority, clients []byte) *SambaDC {
	t.Helper()
	Program(t, "ip", "ip", "-V")
	// Longer names do not fit into the socket paths of Samba.
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d := &SambaDC{Realm: realm, Dir: dir, namespace: filepath.Base(dir)}
	d.env = append(os.Environ(), "LC_ALL=C", "KRB5_CONFIG="+filepath.Join(dir, "krb5.conf"))
	d.makeNamespace(t)
	Program(t, "samba", "samba", "--version")
	Program(t, "samba-tool", "samba-tool", "--version")
	d.writeFiles(t, authority, clients)
	d.provision(t)
	d.start(t)
	return d
}

// makeNamespace skips the test if the machine cannot make one.
func (d *SambaDC) makeNamespace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("ip", "netns", "add", d.namespace).CombinedOutput(); err != nil {
		fmt.Printf("missing network namespaces: %s", out)
		t.Skipf("no network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", d.namespace).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	if out, err := exec.Command("ip", "-n", d.namespace, "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func (d *SambaDC) writeFiles(t *testing.T, authority *softkdc.Authority, clients []byte) {
	t.Helper()
	identity := authority.Issue(d.Realm, nil)
	key, err := x509.MarshalPKCS8PrivateKey(identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	files := map[string][]byte{
		"krb5.conf": fmt.Appendf(nil, "[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\n[realms]\n%s = {\nkdc = 127.0.0.1\n}\n"+
			"[kdc]\nenable-pkinit = yes\npkinit_identity = FILE:%s/kdc.pem,%s/kdc.key\npkinit_anchors = FILE:%s/ca.pem\npkinit_principal_in_certificate = yes\n",
			d.Realm, d.Realm, d.Dir, d.Dir, d.Dir),
		"ca.pem":  block("CERTIFICATE", clients),
		"kdc.pem": block("CERTIFICATE", identity.Chain[0]),
		"kdc.key": block("PRIVATE KEY", key),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d.Dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (d *SambaDC) provision(t *testing.T) {
	t.Helper()
	run := filepath.Join(d.Dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	netbios, _, _ := strings.Cut(d.Realm, ".")
	d.Run(t, "samba-tool", "domain", "provision", "--realm="+d.Realm, "--domain="+netbios, "--server-role=dc", "--dns-backend=NONE",
		"--host-name=dc1", "--host-ip=127.0.0.1", "--adminpass=Passw0rd.1", "--targetdir="+d.path(), "--option=interfaces=lo",
		"--option=bind interfaces only=yes", "--option=server services=kdc,ldap,cldap,rpc", "--option=pid directory="+run, "--option=ncalrpc dir="+run+"/nc")
}

func (d *SambaDC) path() string { return filepath.Join(d.Dir, "dc") }

// Configuration is the option that names the configuration of the controller.
func (d *SambaDC) Configuration() string {
	return "--configfile=" + filepath.Join(d.path(), "etc/smb.conf")
}

// Run runs a program in the namespace and returns its output.
func (d *SambaDC) Run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", d.namespace, program}, args...)...)
	cmd.Env = d.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// start runs the controller until the end of the test.
func (d *SambaDC) start(t *testing.T) {
	t.Helper()
	log, err := os.Create(filepath.Join(d.Dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("ip", "netns", "exec", d.namespace, "samba", "-i", d.Configuration())
	cmd.Env, cmd.Stdout, cmd.Stderr = d.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
		d.waitForChildren(t)
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("samba:\n%.4000s", text)
		}
	})
	// It has no sign of being ready but the open port.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := d.Dial(ctx, "tcp", "127.0.0.1:88"); err == nil {
			c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("samba ended")
		case <-ctx.Done():
			t.Fatal("samba does not listen")
		}
	}
}

// waitForChildren waits until no process is left in the namespace. Children of samba
// end after it.
func (d *SambaDC) waitForChildren(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := exec.CommandContext(ctx, "ip", "netns", "pids", d.namespace).Output()
		if err == nil && len(out) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Errorf("processes are left in the namespace: %s %v", out, err)
			return
		}
	}
}

// Dial connects from within the namespace. The address must not need DNS.
func (d *SambaDC) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	entered := d.inNamespace(func() { conn, err = (&net.Dialer{}).DialContext(ctx, network, address) })
	return conn, errors.Join(err, entered)
}

// inNamespace calls f on a thread in the namespace. A socket that f opens stays in
// the namespace.
func (d *SambaDC) inNamespace(f func()) error {
	there, err := os.Open(filepath.Join("/run/netns", d.namespace))
	if err != nil {
		return err
	}
	defer there.Close()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err == nil {
		defer home.Close()
		err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	f()
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return err // the thread stays locked
	}
	// If the thread ended, so would the programs that it started.
	runtime.UnlockOSThread()
	return nil
}
