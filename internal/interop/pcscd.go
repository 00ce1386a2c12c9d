//go:build linux

package interop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	daemon     = "/usr/sbin/pcscd" // often not in PATH
	driverFile = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"

	// pcscd does not start without this directory, which only root can create.
	// Debian's package does not.
	runFolder = "/run/pcscd"

	unprivileged = 65534 // user and group
)

// A PCSCD is a real pcscd with virtual readers and its own socket. It does not
// disturb the pcscd of the machine.
type PCSCD struct {
	// Socket is the path for PCSCLITE_CSOCK_NAME.
	Socket string

	dir   string
	ports map[string]int // of the readers
	log   *os.File
	cmd   *exec.Cmd // nil if stopped
}

// NewPCSCD starts a pcscd with two virtual readers for each name, NAME 00 00 and
// NAME 00 01.
func NewPCSCD(names ...string) (*PCSCD, error) {
	dir, err := os.MkdirTemp("", "pcscd")
	if err != nil {
		return nil, err
	}
	p := &PCSCD{Socket: filepath.Join(dir, "s"), dir: dir, ports: map[string]int{}}
	if err = p.configure(names); err == nil {
		err = p.Start()
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *PCSCD) configure(names []string) error {
	if os.Geteuid() == 0 {
		if err := os.MkdirAll(runFolder, 0o755); err != nil {
			return err
		}
	} else if _, err := os.Stat(runFolder); err != nil {
		return fmt.Errorf("as root: install -d -m 755 %s: %w", runFolder, err)
	}
	// pcscd reads it as another user.
	conf := filepath.Join(p.dir, "conf")
	if err := errors.Join(os.Chmod(p.dir, 0o755), os.Mkdir(conf, 0o755)); err != nil {
		return err
	}
	for i, name := range names {
		port, err := freePorts()
		if err != nil {
			return err
		}
		p.ports[name+" 00 00"], p.ports[name+" 00 01"] = port, port+1
		// Entries with the same driver file would share its cards.
		lib := filepath.Join(p.dir, fmt.Sprintf("driver%d.so", i))
		if err := copyFile(lib, driverFile); err != nil {
			return err
		}
		entry := fmt.Sprintf("FRIENDLYNAME %q\nDEVICENAME /dev/null:%d\nLIBPATH %s\nCHANNELID %d\n", name, port, lib, i+1)
		if err := os.WriteFile(filepath.Join(conf, fmt.Sprint("reader", i)), []byte(entry), 0o644); err != nil {
			return err
		}
	}
	var err error
	p.log, err = os.Create(filepath.Join(p.dir, "log"))
	return err
}

// freePorts returns the first of two successive free TCP ports.
func freePorts() (int, error) {
	var err error
	for range 50 {
		var first, second net.Listener
		if first, err = net.Listen("tcp", ":0"); err != nil {
			return 0, err
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err = net.Listen("tcp", fmt.Sprint(":", port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port, nil
		}
	}
	return 0, err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Start starts a stopped pcscd with an open socket, as systemd does, so clients
// can connect before it is ready.
func (p *PCSCD) Start() error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket, Net: "unix"})
	if err != nil {
		return err
	}
	// While it is open here, clients of a pcscd that ended would wait forever.
	defer l.Close()
	l.SetUnlinkOnClose(false)
	socket, err := l.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := os.Chmod(p.Socket, 0o666); err != nil {
		return err
	}
	// LISTEN_PID is the process ID of the shell, which becomes pcscd.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --foreground --info --config "$1"`,
		daemon, filepath.Join(p.dir, "conf"))
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // if the tests end without Stop
	if os.Geteuid() == 0 {
		// As root it would overwrite the files of the machine's pcscd in /run.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	return nil
}

// Stop kills pcscd and removes its socket.
func (p *PCSCD) Stop() error {
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	waited := p.cmd.Wait()
	if s := p.cmd.ProcessState.Sys().(syscall.WaitStatus); waited != nil && !(s.Signaled() && s.Signal() == syscall.SIGKILL) {
		err = errors.Join(err, fmt.Errorf("pcscd: %w: %s", waited, p.Log()))
	}
	p.cmd = nil
	return errors.Join(err, os.Remove(p.Socket))
}

// Log returns the end of the log of pcscd.
func (p *PCSCD) Log() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// Close stops pcscd and removes its files.
func (p *PCSCD) Close() error {
	err := p.Stop()
	if p.log != nil {
		err = errors.Join(err, p.log.Close())
	}
	if removed := os.RemoveAll(p.dir); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// Address returns the TCP address where a card connects to a reader.
func (p *PCSCD) Address(reader string) string {
	return fmt.Sprint("127.0.0.1:", p.ports[reader])
}
