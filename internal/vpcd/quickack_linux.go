package vpcd

import (
	"net"

	"golang.org/x/sys/unix"
)

// acknowledgeAtOnce is good for the next read only: the kernel goes back to
// delays by itself. Nothing depends on it but speed.
func acknowledgeAtOnce(conn net.Conn) {
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
