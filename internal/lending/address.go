package lending

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
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

// isPublic tells whether an address belongs to the public internet.
func isPublic(a netip.Addr) bool {
	// A mapped address reaches the IPv4 host it names.
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if nat64.Contains(a) {
		b := a.As16()
		return isPublic(netip.AddrFrom4([4]byte(b[12:])))
	}
	if a.Is6() && !globalUnicast6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

var errPrivateAddress = errors.New("dial lending system: address is not public")

// refusePrivate is a net.Dialer's Control: it sees the very address that is about to be connected to,
// after name resolution, so a name that changes its answer between check and use gains nothing.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(ap.Addr()) {
		return errPrivateAddress
	}
	return nil
}

// ValidateBaseURL checks the base URL of a lending system before it is stored. The error is a sentence
// that may be shown to clients: it says what would be right and repeats nothing. Names are not resolved
// here, as the answer may change; the address is checked at every connection.
func ValidateBaseURL(raw string, allowPrivate bool) error {
	_, err := parseBaseURL(raw, allowPrivate)
	return err
}

func parseBaseURL(raw string, allowPrivate bool) (string, error) {
	if len(raw) > 2048 {
		return "", errors.New("The URL must have at most 2048 characters.")
	}
	for _, r := range raw {
		if r <= ' ' || r > '~' || r == '\\' {
			return "", errors.New("The URL must be plain ASCII without spaces; write an international name in its xn-- form.")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("The URL must have the form https://host/path.")
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "http" && allowPrivate:
	case u.Scheme == "http":
		return "", errors.New("The URL must begin with https://, as http would send the key in the clear.")
	default:
		return "", errors.New("The URL must begin with https://.")
	}
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return "", errors.New("The URL must name a host: https://host/path.")
	case u.User != nil:
		return "", errors.New("The URL must not hold a user name or password; the key is configured on its own.")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(raw, "#"):
		return "", errors.New("The URL must have no query and no fragment.")
	case u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/":
		return "", errors.New("The path of the URL must have no empty, . or .. segments.")
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", errors.New("The port of the URL must be between 1 and 65535.")
		}
	}
	if err := checkHost(u.Hostname(), allowPrivate); err != nil {
		return "", err
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func checkHost(host string, allowPrivate bool) error {
	private := errors.New("The host of the URL must be on the public internet.")
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" || !allowPrivate && !isPublic(a) {
			return private
		}
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	last := name[strings.LastIndexByte(name, '.')+1:]
	// 127.1, 0x7f.1 and 2130706433 are addresses to some resolvers and names to others.
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return errors.New("The host of the URL must be a name, or an IP address in its usual form.")
	}
	for _, label := range strings.Split(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("The host of the URL must be a DNS name.")
		}
	}
	if !allowPrivate && slices.Contains([]string{"localhost", "local", "internal", "localdomain", "lan", "home", "intranet", "test", "invalid"}, last) {
		return private
	}
	return nil
}

// ValidateKey checks a key before it is stored: 8 to 512 visible ASCII characters, as it has to fit in an
// HTTP header. The error is a sentence that may be shown to clients.
func ValidateKey(raw string) error {
	if len(raw) < 8 || len(raw) > 512 {
		return fmt.Errorf("The key must have %d to %d characters.", 8, 512)
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] > '~' {
			return errors.New("The key must be visible ASCII characters without spaces.")
		}
	}
	return nil
}
