package bulk

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"caseload/internal/fault"
)

// maxLine bounds a line, in bytes without its end. A longer one is a failed row.
const maxLine = 1 << 20

// record is one row of a file, not yet read.
type record struct {
	line int32
	// from and to are the row's place in the file, in bytes; to is where the next begins.
	from, to int64
	// text is a JSON object, valid until the next record is read. Of a JSON Lines file it may be anything.
	text []byte
	// problem is why there is no text.
	problem *fault.UserError
}

// records reads the rows of a file in order; io.EOF is its end.
type records interface {
	next() (record, error)
}

var (
	errUTF8  = &fault.UserError{Code: fault.Invalid, Message: "The line must be in UTF-8.", Path: []string{}}
	errLong  = &fault.UserError{Code: fault.TooLong, Message: "A line may have at most 1 MiB.", Path: []string{}}
	errForm  = &fault.UserError{Code: fault.Invalid, Message: "The line is not in CSV form. A cell with a quote, a separator or a line end is put in quotes, and a quote in it is written twice.", Path: []string{}}
	errQuote = &fault.UserError{Code: fault.Invalid, Message: "A quoted cell does not end, or is longer than 1 MiB. A quote inside a cell is written twice.", Path: []string{}}
)

// fileReader is a file from some place on, read through one buffer.
type fileReader struct {
	*bufio.Reader
	offset int64
	line   int32
}

// newFileReader reads from a byte of the file, which is the beginning of a row with the given number.
func newFileReader(r io.Reader, offset int64, line int32) *fileReader {
	in := &fileReader{bufio.NewReaderSize(r, maxLine+1), offset, line}
	if offset == 0 {
		in.skipMark()
	}
	return in
}

// skipMark drops the byte order mark, with which some programs begin UTF-8.
func (in *fileReader) skipMark() {
	if start, _ := in.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		in.drop(3)
	}
}

func (in *fileReader) drop(n int) {
	// n has been peeked.
	_, _ = in.Discard(n)
	in.offset += int64(n)
}

// dropLine drops the rest of a line that is longer than the buffer.
func (in *fileReader) dropLine() error {
	for {
		part, err := in.ReadSlice('\n')
		in.offset += int64(len(part))
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}

// jsonLines reads JSON Lines: a row is what stands between two line feeds, unless it is white space.
type jsonLines struct{ in *fileReader }

func (j jsonLines) next() (record, error) {
	for {
		r := record{line: j.in.line, from: j.in.offset}
		text, err := j.in.ReadSlice('\n')
		j.in.offset += int64(len(text))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if err := j.in.dropLine(); err != nil {
				return record{}, err
			}
			r.problem = errLong
		case err != nil && !errors.Is(err, io.EOF):
			return record{}, err
		default:
			if r.text = bytes.TrimSpace(text); len(r.text) == 0 {
				if err != nil {
					return record{}, io.EOF
				}
				continue
			}
			if !utf8.Valid(r.text) {
				// Also its keys cannot be read: none of them refuses the file.
				r.text, r.problem = nil, errUTF8
			}
		}
		r.to = j.in.offset
		j.in.line++
		return r, nil
	}
}
