// Package outbound guards requests to servers that customers name: it tells what is on the public internet,
// checks URLs before they are stored, and makes clients that look at every address they connect to.
package outbound

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// globalUnicast6 is all that IANA has handed out for the public internet; whatever lies outside of it
// (unique local, link local, mapped, NAT64 and reserved ranges) is refused without being listed.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// nat64 carries an IPv4 address in its last 32 bits (RFC 6052): the inner address decides.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// special are the ranges that are not the public internet although they look like it. From the IANA
// special-purpose registries, with one cloud platform's host service that sits on a public address.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, and metadata of some clouds
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"), // host service of Azure
	netip.MustParsePrefix("169.254.0.0/16"),   // link local, and metadata of most clouds
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // Teredo, benchmarking, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4 hides an IPv4 address
	netip.MustParsePrefix("3fff::/20"),
}

// IsPublic reports whether an address belongs to the public internet.
func IsPublic(a netip.Addr) bool {
	// A mapped address reaches the IPv4 host it names.
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if nat64.Contains(a) {
		b := a.As16()
		return IsPublic(netip.AddrFrom4([4]byte(b[12:])))
	}
	if a.Is6() && !globalUnicast6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ErrPrivateAddress is why a client did not connect: the address is not on the public internet.
var ErrPrivateAddress = errors.New("dial: address is not public")

// refusePrivate is a net.Dialer's Control: it sees the very address that is about to be connected to,
// after name resolution, so a name that changes its answer between check and use gains nothing.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !IsPublic(ap.Addr()) {
		return ErrPrivateAddress
	}
	return nil
}
