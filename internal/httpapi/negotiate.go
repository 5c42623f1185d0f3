package httpapi

import (
	"iter"
	"mime"
	"net/http"
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
// Accept header, and for wildcards, it is application/json, which old clients rely on.
func negotiate(r *http.Request) (string, bool) {
	if strings.TrimSpace(strings.Join(r.Header.Values("Accept"), "")) == "" {
		return typeJSON, true
	}
	best := map[string]quality{}
	for media, q := range accepted(r) {
		switch media {
		case typeJSON, typeGraphQL:
			weigh(best, media, quality{q, 2})
		case "application/*":
			weigh(best, typeJSON, quality{q, 1})
			weigh(best, typeGraphQL, quality{q, 1})
		case "*/*":
			weigh(best, typeJSON, quality{q, 0})
			weigh(best, typeGraphQL, quality{q, 0})
		}
	}
	j, g := best[typeJSON], best[typeGraphQL]
	switch {
	case j.q <= 0 && g.q <= 0:
		return "", false
	case g.q > j.q, g.q == j.q && g.exact > j.exact:
		return typeGraphQL, true
	default:
		return typeJSON, true
	}
}

// Prefers reports whether the client names the media type, and with a greater weight than, or before, any other that the
// endpoint can answer with.
func Prefers(r *http.Request, mediaType string) bool {
	best, most := "", 0.0
	for media, q := range accepted(r) {
		switch media {
		case TypeEventStream, typeJSON, typeGraphQL:
			if q > most {
				best, most = media, q
			}
		}
	}
	return best == mediaType
}

// accepted walks over the ranges of the Accept header with their weights, and leaves out what is malformed or asks for
// another encoding than UTF-8.
func accepted(r *http.Request) iter.Seq2[string, float64] {
	return func(yield func(string, float64) bool) {
		for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
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

// quality is a weight and how exactly the range that gave it names the type: the more exact range wins,
// whatever its weight (RFC 9110, 12.5.1).
type quality struct {
	q     float64
	exact int
}

func weigh(best map[string]quality, media string, w quality) {
	if old, ok := best[media]; !ok || w.exact > old.exact || (w.exact == old.exact && w.q > old.q) {
		best[media] = w
	}
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// acceptsGzip reports whether the client takes gzip; "gzip;q=0" refuses it.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || (err == nil && weight > 0)
		}
	}
	return false
}
