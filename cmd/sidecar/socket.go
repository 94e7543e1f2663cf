package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// ours marks every packet that this program sends, so that the rules let it through. The value says "gd".
const ours = 0x6764

// marked is a dialer's Control that sets the mark.
func marked(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, ours) })
	if err != nil {
		return err
	}
	return failed
}

// soOriginalDst asks where a redirected connection was meant to go (linux/netfilter_ipv4.h).
const soOriginalDst = 80

func originalDestination(conn *net.TCPConn) (netip.AddrPort, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var to netip.AddrPort
	var failed error
	err = raw.Control(func(fd uintptr) {
		// The answer is a sockaddr_in, which has the size of this structure.
		answer, err := unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, soOriginalDst)
		if err != nil {
			failed = err
			return
		}
		sockaddr := answer.Multiaddr
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(sockaddr[4:8])), binary.BigEndian.Uint16(sockaddr[2:4]))
	})
	if err != nil {
		return to, err
	}
	return to, failed
}
