package outbound

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURL bounds the characters of a URL.
const maxURL = 2048

// ParseURL checks the URL of a customer's server before it is stored: https, or http too where private
// addresses are allowed; a host on the public internet unless they are; no user and no fragment. The error is
// a sentence that may be shown to clients: it says what would be right and repeats nothing. Names are not
// resolved here, as the answer may change; the address is checked at every connection.
func ParseURL(raw string, allowPrivate bool) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, errors.New("The URL must have at most 2048 characters.")
	}
	for _, r := range raw {
		if r <= ' ' || r > '~' || r == '\\' {
			return nil, errors.New("The URL must be plain ASCII without spaces; write an international name in its xn-- form.")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("The URL must have the form https://host/path.")
	}
	switch {
	case u.Scheme == "https" || u.Scheme == "http" && allowPrivate:
	case u.Scheme == "http":
		return nil, errors.New("The URL must begin with https://, as http would send everything in the clear.")
	default:
		return nil, errors.New("The URL must begin with https://.")
	}
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("The URL must name a host: https://host/path.")
	case u.User != nil:
		return nil, errors.New("The URL must not hold a user name or password.")
	case strings.Contains(raw, "#"):
		return nil, errors.New("The URL must have no fragment.")
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, errors.New("The port of the URL must be between 1 and 65535.")
		}
	}
	if err := checkHost(u.Hostname(), allowPrivate); err != nil {
		return nil, err
	}
	return u, nil
}

func checkHost(host string, allowPrivate bool) error {
	private := errors.New("The host of the URL must be on the public internet.")
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" || !allowPrivate && !IsPublic(a) {
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
