package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The texts of these errors are not shown: the problem states the form that the field's want tag describes.
var errForm = errors.New("wrong form")

// Environment is what an installation is for.
type Environment string

// The environments.
const (
	Development Environment = "development"
	Production  Environment = "production"
)

// UnmarshalText accepts the names of the environments.
func (e *Environment) UnmarshalText(text []byte) error {
	return oneOf(e, string(text), Development, Production)
}

func oneOf[T ~string](to *T, text string, names ...T) error {
	for _, n := range names {
		if text == string(n) {
			*to = n
			return nil
		}
	}
	return errForm
}

// MemorySize is a number of bytes.
type MemorySize int64

// UnmarshalText accepts a whole number followed by MiB or GiB, of at least 16 MiB and at most 1,048,576 GiB.
func (m *MemorySize) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(0)
	if rest, ok := strings.CutSuffix(number, "MiB"); ok {
		number, unit = rest, 1<<20
	} else if rest, ok := strings.CutSuffix(number, "GiB"); ok {
		number, unit = rest, 1<<30
	}
	n, err := strconv.ParseUint(number, 10, 21)
	if err != nil || unit == 0 || int64(n)*unit < 16<<20 {
		return errForm
	}
	*m = MemorySize(int64(n) * unit)
	return nil
}

// Address is host:port to listen on; the host may be empty, the port may be 0 for a free one.
type Address string

// UnmarshalText accepts a host and a numeric port.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || strings.ContainsAny(host, " /@") {
		return errForm
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errForm
	}
	*a = Address(text)
	return nil
}

// HTTPURL is an http or https URL; empty when not set.
type HTTPURL string

// UnmarshalText accepts http and https URLs with a host and without a password, which would be logged.
func (u *HTTPURL) UnmarshalText(text []byte) error {
	p, err := url.Parse(string(text))
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "" || p.User != nil {
		return errForm
	}
	*u = HTTPURL(text)
	return nil
}

// BlobURL is the address of an object store; empty when not set.
type BlobURL string

// UnmarshalText accepts file URLs of an absolute folder, and s3 URLs of a bucket, without a password, which would be
// logged.
func (b *BlobURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || u.User != nil || u.Fragment != "" {
		return errForm
	}
	switch {
	case u.Scheme == "file" && u.Host == "" && len(u.Path) > 1 && u.RawQuery == "":
	case u.Scheme == "s3" && u.Host != "" && (u.Path == "" || u.Path == "/"):
	default:
		return errForm
	}
	*b = BlobURL(text)
	return nil
}

// Origins are web origins in the form in which browsers send them.
type Origins []string

// UnmarshalText accepts a comma-separated list; white space around an origin is ignored.
func (o *Origins) UnmarshalText(text []byte) error {
	var all Origins
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		u, err := url.Parse(item)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Contains(u.Host, "*") ||
			u.Scheme+"://"+u.Host != item || strings.ToLower(item) != item {
			return errForm
		}
		all = append(all, item)
	}
	*o = all
	return nil
}

// Networks are ranges of addresses.
type Networks []netip.Prefix

// UnmarshalText accepts a comma-separated list of networks and single addresses.
func (n *Networks) UnmarshalText(text []byte) error {
	var all Networks
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		p, err := netip.ParsePrefix(item)
		if a, addrErr := netip.ParseAddr(item); addrErr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return errForm
		}
		all = append(all, p.Masked())
	}
	*n = all
	return nil
}

// Strings returns the networks in CIDR notation.
func (n Networks) Strings() []string {
	out := make([]string, len(n))
	for i, p := range n {
		out[i] = p.String()
	}
	return out
}

// Contains reports whether an address is in one of the networks; a mapped IPv4 address counts as IPv4.
func (n Networks) Contains(a netip.Addr) bool {
	for _, p := range n {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
