package pkinit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/smartlogon/smartlogon/internal/ber"
)

const (
	// maxMessage limits a reply. Tickets of Windows have up to 64 KB, and the
	// certificates of a KDC a few.
	maxMessage = 256 << 10

	// maxDatagram is the largest request that is sent over UDP.
	maxDatagram = 32 << 10

	// maxKDCs limits the KDCs of a realm that are asked.
	maxKDCs = 16

	lookupTimeout = 10 * time.Second
	dialTimeout   = 5 * time.Second
	tcpTimeout    = 20 * time.Second // KDCs fetch revocation lists meanwhile
)

// udpTimeouts are how long to wait after each transmission of a datagram.
var udpTimeouts = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// A network sends requests to the KDCs of realms. It is safe for concurrent use:
// tickets share it.
type network struct {
	realm    string   // that the addresses are of
	kdcs     []string // in the options; empty: from DNS
	resolver *net.Resolver
	dialer   func(ctx context.Context, network, address string) (net.Conn, error)
	answered atomic.Value // address of the KDC that answered last, a string
}

func newNetwork(realm string, o *Options) *network {
	n := &network{realm: realm, kdcs: slices.Clone(o.KDCs), resolver: o.Resolver, dialer: o.Dial}
	if n.resolver == nil {
		n.resolver = net.DefaultResolver
	}
	if n.dialer == nil {
		n.dialer = (&net.Dialer{Resolver: n.resolver}).DialContext
	}
	return n
}

// send returns the first reply of a KDC of the realm. The same bytes go to the next
// KDC if one does not answer, so a signature is used once.
func (n *network) send(ctx context.Context, realm string, message []byte) ([]byte, error) {
	addresses, err := n.addresses(ctx, realm)
	if err != nil {
		return nil, err
	}
	var errs []error
	var unavailable []byte
	for _, a := range addresses {
		b, err := n.ask(ctx, a, message)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%.256q: %w", a, err))
			continue
		}
		if e, err := parseError(b); err == nil && e.code == CodeServiceUnavailable {
			unavailable = b
			continue
		}
		n.answered.Store(a)
		return b, nil
	}
	if unavailable != nil {
		return unavailable, nil
	}
	if err := errors.Join(errs...); errors.Is(err, ErrMalformed) {
		return nil, err
	}
	return nil, fmt.Errorf("%w for %.128q: %w", ErrNoKDC, realm, errors.Join(errs...))
}

// addresses returns the KDCs of a realm, first the one that answered last.
func (n *network) addresses(ctx context.Context, realm string) ([]string, error) {
	list := slices.Clone(n.kdcs)
	if len(list) == 0 || realm != n.realm {
		var err error
		if list, err = n.lookup(ctx, realm); err != nil {
			return nil, err
		}
	}
	list = list[:min(len(list), maxKDCs)]
	last, _ := n.answered.Load().(string)
	if i := slices.Index(list, last); i > 0 {
		list = append([]string{last}, slices.Delete(list, i, i+1)...)
	}
	return list, nil
}

// lookup returns the KDCs of a realm in DNS (RFC 4120, 7.2.3.2).
func (n *network) lookup(ctx context.Context, realm string) ([]string, error) {
	limited, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var errs []error
	for _, protocol := range []string{"tcp", "udp"} {
		_, records, err := n.resolver.LookupSRV(limited, "kerberos", protocol, realm+".")
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			errs = append(errs, err)
		}
		var list []string
		for _, r := range records {
			if host := strings.TrimSuffix(r.Target, "."); host != "" { // "." states that there is none
				list = append(list, protocol+"/"+net.JoinHostPort(host, fmt.Sprint(r.Port)))
			}
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, fmt.Errorf("%w for %.128q: %w", ErrNoKDC, realm, errors.Join(append(errs, errors.New("no SRV record"))...))
}

// splitAddress returns the parts of [tcp/|udp/]host[:port].
func splitAddress(address string) (protocol, hostPort string) {
	protocol, hostPort, ok := strings.Cut(address, "/")
	if !ok {
		protocol, hostPort = "", address
	}
	if _, _, err := net.SplitHostPort(hostPort); err != nil {
		hostPort = net.JoinHostPort(strings.Trim(hostPort, "[]"), "88")
	}
	return protocol, hostPort
}

func (n *network) ask(ctx context.Context, address string, message []byte) ([]byte, error) {
	protocol, hostPort := splitAddress(address)
	switch protocol {
	case "tcp":
		return n.tcp(ctx, hostPort, message)
	case "udp":
		return n.datagram(ctx, hostPort, message)
	case "":
	default:
		return nil, fmt.Errorf("protocol %.16q: %w", protocol, errors.ErrUnsupported)
	}
	b, err := n.tcp(ctx, hostPort, message)
	if err == nil || !isDialError(err) || ctx.Err() != nil {
		return b, err
	}
	b, udpErr := n.udp(ctx, hostPort, message)
	if udpErr != nil {
		return nil, errors.Join(err, udpErr)
	}
	return b, nil
}

// datagram uses UDP, and TCP if the reply does not fit (RFC 4120, 7.2.1).
func (n *network) datagram(ctx context.Context, hostPort string, message []byte) ([]byte, error) {
	if len(message) > maxDatagram {
		return n.tcp(ctx, hostPort, message)
	}
	b, err := n.udp(ctx, hostPort, message)
	if err != nil {
		return nil, err
	}
	if e, err := parseError(b); err == nil && e.code == CodeTooBig {
		return n.tcp(ctx, hostPort, message)
	}
	return b, nil
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// open connects and binds the connection to ctx. The caller calls stop.
func (n *network) open(ctx context.Context, protocol, hostPort string) (conn net.Conn, stop func(), err error) {
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err = n.dialer(limited, protocol, hostPort)
	if err != nil {
		return nil, nil, err
	}
	unbind := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() {
		unbind()
		conn.Close()
	}, nil
}

// tcp sends a message with its length in front (RFC 4120, 7.2.2).
func (n *network) tcp(ctx context.Context, hostPort string, message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tcpTimeout)
	defer cancel()
	conn, stop, err := n.open(ctx, "tcp", hostPort)
	if err != nil {
		return nil, err
	}
	defer stop()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > maxMessage {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, err
	}
	return b, nil
}

// udp sends a datagram, again if no reply comes. Datagrams that are no reply are
// ignored: another host may have sent them.
func (n *network) udp(ctx context.Context, hostPort string, message []byte) ([]byte, error) {
	conn, stop, err := n.open(ctx, "udp", hostPort)
	if err != nil {
		return nil, err
	}
	defer stop()
	b := make([]byte, 64<<10)
	for _, timeout := range udpTimeouts {
		if _, err = conn.Write(message); err != nil {
			return nil, err
		}
		if err = conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
		if ctx.Err() != nil { // its deadline was replaced
			return nil, context.Cause(ctx)
		}
		for {
			var size int
			if size, err = conn.Read(b); err != nil {
				break
			}
			if size > 0 && slices.Contains([]ber.Tag{appASRep, appTGSRep, appError}, ber.Tag(b[0])) {
				return b[:size], nil
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, err
}
