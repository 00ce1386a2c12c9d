package vpcd

import (
	"net"

	"golang.org/x/sys/unix"
)

// setQuickACK makes the kernel acknowledge without delay, for the next read only:
// the kernel resets the option. Errors only cost time.
func setQuickACK(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
