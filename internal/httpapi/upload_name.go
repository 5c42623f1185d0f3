package httpapi

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFileName    = 255
	maxContentType = 127
	anyContentType = "application/octet-stream"
	namelessFile   = "file"
)

// FileName makes a name that a client gave to a file fit to be shown and to be saved under: the last element of a
// path of any system, without control characters and without the marks that turn the direction of writing (by
// which report-fdp.exe reads as a PDF), at most 255 code points with the extension kept. It is never empty.
func FileName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`:*?"<>|`, r):
			// Characters that file systems and quoted header values do not take.
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	// A leading dot hides a file, a trailing one is lost on some systems.
	name = strings.Trim(strings.TrimSpace(name), ". ")
	if name == "" {
		return namelessFile
	}
	runes := []rune(name)
	if len(runes) <= maxFileName {
		return name
	}
	extension := []rune(nil)
	if i := strings.LastIndexByte(name, '.'); i > 0 && utf8.RuneCountInString(name[i:]) <= 16 {
		extension = []rune(name[i:])
	}
	return strings.TrimRight(string(runes[:maxFileName-len(extension)]), ". ") + string(extension)
}

// contentType returns the media type without parameters, or that of unknown bytes.
func contentType(header string) string {
	media, _, err := mime.ParseMediaType(header)
	if err != nil || len(media) > maxContentType || strings.Count(media, "/") != 1 {
		return anyContentType
	}
	return media
}
