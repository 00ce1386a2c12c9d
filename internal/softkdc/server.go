package softkdc

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// A Server serves a KDC on loopback, over TCP and UDP at the same port.
type Server struct {
	// Address is HOST:PORT.
	Address string

	kdc *KDC
	tcp net.Listener
	udp net.PacketConn

	mu     sync.Mutex
	conns  map[net.Conn]bool // nil: closed
	serves sync.WaitGroup
}

// Start starts a server.
func Start(k *KDC) (*Server, error) {
	s := &Server{kdc: k, conns: make(map[net.Conn]bool)}
	var err error
	for range 50 { // the UDP port may be in use
		if s.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
		s.Address = s.tcp.Addr().String()
		if s.udp, err = net.ListenPacket("udp", s.Address); err == nil {
			s.serves.Go(s.serveTCP)
			s.serves.Go(s.serveUDP)
			return s, nil
		}
		s.tcp.Close()
	}
	return nil, err
}

// Close stops the server and waits for its goroutines.
func (s *Server) Close() error {
	err := errors.Join(s.tcp.Close(), s.udp.Close())
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.serves.Wait()
	return err
}

func (s *Server) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		open := s.conns != nil
		if open {
			s.conns[c] = true
		}
		s.mu.Unlock()
		if !open {
			c.Close()
			return
		}
		s.serves.Go(func() {
			s.serveConn(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

const maxRequest = 1 << 20

func (s *Server) serveConn(c net.Conn) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxRequest {
		return
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	reply := s.kdc.respond(b)
	_, _ = c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...))
}

func (s *Server) serveUDP() {
	b := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFrom(b)
		if err != nil {
			return
		}
		reply := s.kdc.respond(b[:n])
		if limit := s.kdc.MaxDatagram; limit > 0 && len(reply) > limit {
			reply = s.kdc.error(Error{Code: tooBig})
		}
		_, _ = s.udp.WriteTo(reply, from)
	}
}
