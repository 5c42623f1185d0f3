package httpapi

import (
	"iter"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The media types of responses.
const (
	typeJSON    = "application/json"
	typeGraphQL = "application/graphql-response+json"
	// TypeEventStream is that of server-sent events.
	TypeEventStream = "text/event-stream"
)

// negotiate returns the media type to answer with, and false when the request admits none. Without an
// Accept header, for wildcards, and for that refusal it is application/json, which old clients rely on.
func negotiate(r *http.Request) (string, bool) {
	if strings.TrimSpace(strings.Join(r.Header.Values("Accept"), "")) == "" {
		return typeJSON, true
	}
	// The range that names a type more exactly wins, whatever its weight (RFC 9110, 12.5.1).
	types := [...]string{typeJSON, typeGraphQL}
	weights, exactness := [len(types)]float64{}, [len(types)]int{-1, -1}
	for media, q := range accepted(r, "Accept") {
		for i, t := range types {
			exact := slices.Index([]string{"*/*", "application/*", t}, media)
			if exact > exactness[i] || exact >= 0 && exact == exactness[i] && q > weights[i] {
				weights[i], exactness[i] = q, exact
			}
		}
	}
	switch {
	case weights[0] <= 0 && weights[1] <= 0:
		return typeJSON, false
	case weights[1] > weights[0], weights[1] == weights[0] && exactness[1] > exactness[0]:
		return typeGraphQL, true
	default:
		return typeJSON, true
	}
}

// Prefers reports whether the client names the media type, and with a greater weight than, or before, any other that the
// endpoint can answer with.
func Prefers(r *http.Request, mediaType string) bool {
	best, most := "", 0.0
	for media, q := range accepted(r, "Accept") {
		switch media {
		case TypeEventStream, typeJSON, typeGraphQL:
			if q > most {
				best, most = media, q
			}
		}
	}
	return best == mediaType
}

// accepted walks over the ranges of a header such as Accept with their weights, and leaves out what is malformed or asks for
// another encoding than UTF-8.
func accepted(r *http.Request, header string) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for part := range strings.SplitSeq(strings.Join(r.Header.Values(header), ","), ",") {
			media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil {
				continue
			}
			if cs := params["charset"]; cs != "" && !isUTF8(cs) {
				continue
			}
			q := 1.0
			if s, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(s, 64); err != nil || q < 0 || q > 1 {
					continue
				}
			}
			if !yield(media, q) {
				return
			}
		}
	}
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// acceptsGzip reports whether the client takes gzip; "gzip;q=0" refuses it.
func acceptsGzip(r *http.Request) bool {
	for coding, q := range accepted(r, "Accept-Encoding") {
		if coding == "gzip" {
			return q > 0
		}
	}
	return false
}
