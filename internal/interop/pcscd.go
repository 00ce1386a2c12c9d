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

	// pcscd does not start without it, and only root can make it. Debian's
	// package does not.
	runFolder = "/run/pcscd"

	nobody = 65534
)

// A PCSCD is a real pcscd with virtual readers, on a socket of its own. It leaves
// the machine's own pcscd alone.
type PCSCD struct {
	// Socket is where clients find it, for PCSCLITE_CSOCK_NAME.
	Socket string

	dir   string
	ports map[string]int // of the readers
	log   *os.File
	cmd   *exec.Cmd // nil while it is stopped
}

// NewPCSCD starts a pcscd. Each name makes two virtual readers, NAME 00 00 and
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
	// It is read as somebody else.
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
		// Entries that share a driver's file share its cards.
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

// freePorts finds a TCP port that is free, with the next one.
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

// Start starts a stopped pcscd, as systemd would: with a socket on which it finds
// its clients. Those who come before it is ready wait.
func (p *PCSCD) Start() error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket, Net: "unix"})
	if err != nil {
		return err
	}
	// Ours must be closed, or clients of a pcscd that died wait for ever.
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
	// The shell knows the number of the process that it becomes.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --foreground --info --config "$1"`,
		daemon, filepath.Join(p.dir, "conf"))
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should nobody stop it
	if os.Geteuid() == 0 {
		// As root it would overwrite what the machine's own pcscd has in /run.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
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

// Log is the end of what pcscd said.
func (p *PCSCD) Log() string {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// Close ends pcscd and removes all that was made for it.
func (p *PCSCD) Close() error {
	err := p.Stop()
	if p.log != nil {
		err = errors.Join(err, p.log.Close())
	}
	if gone := os.RemoveAll(p.dir); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// Address is where a card is plugged into a reader.
func (p *PCSCD) Address(reader string) string {
	return fmt.Sprint("127.0.0.1:", p.ports[reader])
}
