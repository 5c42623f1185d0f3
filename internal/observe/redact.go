package observe

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

const redacted = "[redacted]"

// sensitive holds names, in lower case and without separators, that say "personal" or "secret". A key
// is redacted when it, or some of the words it is made of, is one of them: customerEmail, X-API-Key,
// ssn_last_four.
var sensitive = wordSet(`
	ssn ssnlastfour socialsecurity socialsecuritynumber itin taxid mbi kba
	birthday birthdate dateofbirth dob
	email emails emailaddress phone phones phonenumber phonenumbers mobile
	firstname middlename lastname fullname surname maidenname
	addressline addresses street postalcode zipcode
	accountnumber routingnumber cardnumber iban pan cvv
	password passphrase secret secrets authorization credential credentials cookie cookies setcookie
	apikey apikeys privatekey encryptionkey accesstoken refreshtoken idtoken bearer jwt
	dsn databaseurl
	variables query document payload requestbody responsebody
`)

// harmless words at the end of a key say that the value is not the sensitive thing, but its id or number.
var harmless = wordSet(`id count length kind type`)

// prefixes are beginnings of words that are sensitive whatever follows without a separator: phonenumber2.
var prefixes = []string{"phone", "ssn", "email", "birth", "password"}

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(list) {
		set[word] = true
	}
	return set
}

// IsSensitive reports whether an attribute or JSON key of this name may hold personal data or a secret.
func IsSensitive(key string) bool {
	parts := words(key)
	if len(parts) == 0 || (len(parts) > 1 && harmless[parts[len(parts)-1]]) {
		return false
	}
	for i := range parts {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(parts[i], p) }) {
			return true
		}
		joined := ""
		for _, part := range parts[i:min(i+4, len(parts))] {
			joined += part
			if sensitive[joined] {
				return true
			}
		}
	}
	return false
}

// words splits a key at separators and at changes of case, and lowers it: "APIKeyHash" is api, key, hash.
func words(key string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(key)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || (i+1 < len(runes) && unicode.IsLower(runes[i+1]))):
			flush()
		}
		word = append(word, r)
	}
	flush()
	return out
}

// shapes are what personal data and keys look like inside a sentence, an error above all.
var shapes = regexp.MustCompile(
	`\b\d{3}-\d{2}-\d{4}\b` + // social security number
		`|[\w.+%-]+@[\w-]+(?:\.[\w-]+)+` + // email address
		`|\bcl_[A-Za-z0-9_-]{8,}` + // API key
		`|(?i:\bbearer\s+)[\w.~+/=-]+`)

func redactText(s string) string {
	if !suspicious(s) {
		return s
	}
	return shapes.ReplaceAllString(s, redacted)
}

// suspicious reports whether a text may hold one of the shapes. It spares most texts, such as ids, paths and names, the regular
// expression, which would take a tenth of a short request's time.
func suspicious(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '@':
			return true
		case '_':
			if i >= 2 && s[i-2:i] == "cl" {
				return true
			}
		case '-':
			// The dashes of a social security number are three apart; those of ids are further.
			if i+3 < len(s) && s[i+3] == '-' {
				return true
			}
		case 'r', 'R':
			if i >= 5 && strings.EqualFold(s[i-5:i+1], "bearer") {
				return true
			}
		}
	}
	return false
}

// maxKnownKeys bounds what a redactor remembers: names of attributes are written in code, so they are few.
const maxKnownKeys = 1000

// redactor remembers which names of attributes are sensitive. The zero value is ready; it is safe for concurrent use.
type redactor struct {
	mu    sync.RWMutex
	known map[string]bool
}

func (r *redactor) sensitive(key string) bool {
	r.mu.RLock()
	is, ok := r.known[key]
	r.mu.RUnlock()
	if ok {
		return is
	}
	is = IsSensitive(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	if len(r.known) < maxKnownKeys {
		r.known[strings.Clone(key)] = is
	}
	return is
}

// attr is the ReplaceAttr of [NewLogger].
func (r *redactor) attr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	if r.sensitive(a.Key) || slices.ContainsFunc(groups, r.sensitive) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		if text := a.Value.String(); suspicious(text) {
			return slog.String(a.Key, redactText(text))
		}
		return a
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: redactAny(a.Value.Any())}
	default:
		return a
	}
}

// redactAny turns a value into what the JSON handler would print, with sensitive keys redacted at any
// depth: a struct of a domain that ends up in a log must not bring its fields along.
func redactAny(value any) slog.Value {
	switch v := value.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(redactText(v.Error()))
	case *slog.Source:
		return slog.AnyValue(v)
	case time.Time:
		return slog.TimeValue(v)
	case fmt.Stringer:
		return slog.StringValue(redactText(v.String()))
	}
	body, err := json.Marshal(value)
	if err != nil {
		return slog.StringValue(fmt.Sprintf("[%T is not JSON]", value))
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		return slog.StringValue(fmt.Sprintf("[%T is not JSON]", value))
	}
	return slog.AnyValue(redactTree(tree))
}

func redactTree(tree any) any {
	switch node := tree.(type) {
	case string:
		return redactText(node)
	case []any:
		for i := range node {
			node[i] = redactTree(node[i])
		}
	case map[string]any:
		for key, child := range node {
			if IsSensitive(key) {
				node[key] = redacted
			} else {
				node[key] = redactTree(child)
			}
		}
	}
	return tree
}
