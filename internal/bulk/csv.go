package bulk

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"caseload/internal/fault"
	"caseload/internal/input"
)

// clearCell is the cell that clears a value, as null does in JSON; an empty cell leaves it as it is. The text null itself can be
// sent by JSON Lines only.
const clearCell = "null"

// csvLines reads comma-separated values (RFC 4180): the first record names the columns. Each record becomes the
// JSON object that stands for it.
type csvLines struct {
	in    *fileReader
	cells cellReader
	root  *column
	// width is how many columns there are.
	width int
	out   bytes.Buffer
}

// cellReader parses single records, with one buffer for all of them.
type cellReader struct {
	text   bytes.Reader
	buffer *bufio.Reader
	csv    *csv.Reader
}

func newCellReader(comma byte) cellReader {
	c := cellReader{buffer: bufio.NewReaderSize(nil, 4096)}
	// csv.NewReader uses a *bufio.Reader as it is: resetting it gives the parser its next text.
	c.csv = csv.NewReader(c.buffer)
	c.csv.Comma, c.csv.FieldsPerRecord, c.csv.ReuseRecord = rune(comma), -1, true
	return c
}

func (c *cellReader) read(text []byte) ([]string, error) {
	c.text.Reset(text)
	c.buffer.Reset(&c.text)
	return c.csv.Read()
}

// csvHeader is what the first record of a file says.
type csvHeader struct {
	root  *column
	width int
	comma byte
	// end is where the rows begin, in bytes.
	end int64
	// refusals are what is wrong with it, in the words of the contract, in the order of the columns.
	refusals []string
}

// readHeader reads the header at the beginning of a file.
func readHeader(r io.Reader, keys shape) (*csvHeader, error) {
	in := newFileReader(r, 0, 0)
	h := &csvHeader{root: &column{at: -1}}
	// The separator is known before the end of the record: names hold none.
	h.comma = separator(in)
	text, broken, err := in.record(h.comma)
	for err == nil && broken == nil && len(bytes.TrimSpace(text)) == 0 {
		text, broken, err = in.record(h.comma)
	}
	h.end = in.offset
	switch {
	case errors.Is(err, io.EOF):
		h.refusals = []string{"#/header: the first line must name the columns"}
		return h, nil
	case err != nil:
		return nil, err
	}
	reader := newCellReader(h.comma)
	names, parseErr := reader.read(text)
	if broken != nil || parseErr != nil || !utf8.Valid(text) {
		h.refusals = []string{"#/header: the first line must name the columns, in UTF-8, separated by commas"}
		return h, nil
	}
	h.width = len(names)
	for i, name := range names {
		name = input.KeyForm(name)
		switch h.root.add(strings.Split(name, "."), keys, i) {
		case columnUnknown:
			h.refuse("extraneous key", name, i)
		case columnTwice:
			h.refuse("second column", name, i)
		}
	}
	if len(h.root.children) == 0 {
		// That is no header but a row: none of its values is repeated.
		h.refusals = []string{"#/header: the first line must name the columns; it has no name that is permitted"}
	}
	return h, nil
}

func (h *csvHeader) refuse(what, name string, column int) {
	shown, whole := shownKey(name)
	text := fmt.Sprintf("#/header: %s [%s] is not permitted", what, shown)
	if !whole {
		text += fmt.Sprintf(" (column %d)", column+1)
	}
	h.refusals = append(h.refusals, text)
}

// separator returns the separator of the first line: a comma, or what programs of some countries write instead.
func separator(in *fileReader) byte {
	line, _ := in.Peek(maxLine)
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	for _, c := range []byte{',', ';', '\t'} {
		if bytes.IndexByte(line, c) >= 0 {
			return c
		}
	}
	return ','
}

// newCSV reads the rows of a file under its header. in stands at a row.
func newCSV(in *fileReader, h *csvHeader) *csvLines {
	return &csvLines{in: in, cells: newCellReader(h.comma), root: h.root, width: h.width}
}

func (c *csvLines) next() (record, error) {
	for {
		r := record{line: c.in.line, from: c.in.offset}
		text, broken, err := c.in.record(byte(c.cells.csv.Comma))
		if err != nil {
			return record{}, err
		}
		if r.to = c.in.offset; broken == nil {
			var empty bool
			if r.text, r.problem, empty = c.object(text); empty {
				continue
			}
		} else {
			r.problem = broken
		}
		c.in.line++
		return r, nil
	}
}

// object makes the JSON object of a record; empty tells that the record is an empty line.
func (c *csvLines) object(text []byte) (object []byte, problem *fault.UserError, empty bool) {
	if !utf8.Valid(text) {
		return nil, errUTF8, false
	}
	cells, err := c.cells.read(text)
	if errors.Is(err, io.EOF) {
		return nil, nil, true
	}
	if err != nil {
		return nil, errForm, false
	}
	if len(cells) != c.width {
		// A shorter line may be one whose cells have moved.
		return nil, &fault.UserError{Code: fault.Invalid, Message: "The line must have as many cells as the header.", Path: []string{}}, false
	}
	c.out.Reset()
	if !c.root.write(&c.out, cells) {
		c.out.WriteString("{}")
	}
	return c.out.Bytes(), nil, false
}

// place is where in a record a byte stands.
type place int

const (
	// cellBegins is where a cell, or the record, begins.
	cellBegins place = iota
	// plainCell is in a cell without quotes.
	plainCell
	// quotedCell is in a cell with quotes, between them.
	quotedCell
	// afterQuote is after a quote in such a cell: its end, or the first of two that stand for one.
	afterQuote
	// afterReturn is after the carriage return behind a quoted cell.
	afterReturn
)

// step returns the place after the byte c; ends says that c ends the record, and wrong that c is not allowed here. Every quote opens
// or closes a cell, or is wrong: of the lines that leave a quoted cell open, no two can be read both as its inside and as the
// beginning of another, so starting again after a broken line reads no line more than twice.
func (p place) step(c, comma byte) (next place, ends, wrong bool) {
	switch {
	case p == quotedCell && c == '"':
		return afterQuote, false, false
	case p == quotedCell, p == afterQuote && c == '"', p == cellBegins && c == '"':
		return quotedCell, false, false
	case c == '\n':
		return p, true, false
	case p == afterReturn, c == '"':
		return p, false, true
	case c == comma:
		return cellBegins, false, false
	case p == afterQuote && c == '\r':
		return afterReturn, false, false
	case p == afterQuote:
		return p, false, true
	}
	return plainCell, false, false
}

// record returns the next record with its end, valid until the next call. Where a quote is in a wrong place, or a quoted
// cell does not end, only the first line is taken as a broken record: one forgotten quote must not swallow the rest
// of the file.
func (in *fileReader) record(comma byte) (text []byte, broken *fault.UserError, err error) {
	n, at := 0, cellBegins
	for {
		window, peekErr := in.Peek(min(n+1, maxLine+1))
		if in.Buffered() > len(window) {
			window, _ = in.Peek(in.Buffered())
		}
		for ; n < len(window); n++ {
			next, ends, wrong := at.step(window[n], comma)
			switch {
			case ends:
				text = window[:n+1]
				in.drop(n + 1)
				return text, nil, nil
			case wrong:
				return nil, errForm, in.dropFirstLine(window)
			}
			at = next
		}
		switch {
		case at == quotedCell && (n > maxLine || errors.Is(peekErr, io.EOF)):
			return nil, errQuote, in.dropFirstLine(window)
		case n > maxLine:
			return nil, errLong, in.dropFirstLine(window)
		case errors.Is(peekErr, io.EOF) && n == 0:
			return nil, nil, io.EOF
		case errors.Is(peekErr, io.EOF):
			text = window
			in.drop(n)
			return text, nil, nil
		case peekErr != nil:
			return nil, nil, peekErr
		}
	}
}

// dropFirstLine drops the first line of what has been peeked, or the whole line where the end is not among it.
func (in *fileReader) dropFirstLine(window []byte) error {
	if end := bytes.IndexByte(window, '\n'); end >= 0 {
		in.drop(end + 1)
		return nil
	}
	return in.dropLine()
}

// column is a column of the header, or an object or list that its columns make up.
type column struct {
	// name is the key in an object.
	name string
	typ  Type
	// index is the place in a list, isList what the children are of.
	index  int
	isList bool
	// at is the place in the record; -1 for what has children.
	at       int
	children []*column
}

type columnFault int

const (
	columnFine columnFault = iota
	columnUnknown
	columnTwice
)

// maxIndex bounds lists that are written as columns.
const maxIndex = 99

// add puts a column into the tree by its dotted name.
func (c *column) add(path []string, keys shape, at int) columnFault {
	n, ok := keys[path[0]]
	if !ok {
		return columnUnknown
	}
	child := c.child(path[0], 0)
	isNew := child == nil
	if isNew {
		child = &column{name: path[0], typ: n.typ, at: -1}
	}
	result := child.below(path[1:], n, at, isNew)
	if isNew && result == columnFine {
		c.children = append(c.children, child)
	}
	return result
}

// below puts the rest of a dotted name below a column.
func (c *column) below(path []string, n node, at int, isNew bool) columnFault {
	if len(path) == 0 {
		if !isNew {
			return columnTwice
		}
		c.at = at
		return columnFine
	}
	switch {
	case n.typ == Object && n.keys != nil:
		if c.at >= 0 {
			return columnTwice
		}
		return c.add(path, n.keys, at)
	case n.typ == Array:
		index, ok := listIndex(path[0])
		if !ok || len(path) > 1 && n.keys == nil {
			return columnUnknown
		}
		if c.at >= 0 {
			return columnTwice
		}
		return c.element(index, path[1:], n, at)
	}
	return columnUnknown
}

// element puts the rest of a dotted name below an element of a list.
func (c *column) element(index int, path []string, n node, at int) columnFault {
	c.isList = true
	element := c.child("", index)
	isNew := element == nil
	if isNew {
		element = &column{index: index, typ: Any, at: -1}
		if n.keys == nil {
			element.typ = Text
		}
	}
	var result columnFault
	switch {
	case len(path) > 0 && element.at >= 0:
		return columnTwice
	case len(path) > 0:
		result = element.add(path, n.keys, at)
	case !isNew:
		return columnTwice
	default:
		element.at = at
	}
	if isNew && result == columnFine {
		c.insert(element)
	}
	return result
}

func (c *column) child(name string, index int) *column {
	for _, child := range c.children {
		if child.name == name && child.index == index {
			return child
		}
	}
	return nil
}

// insert keeps elements in the order of their indexes, whatever the order of the columns.
func (c *column) insert(element *column) {
	at, _ := slices.BinarySearchFunc(c.children, element, func(a, b *column) int { return a.index - b.index })
	c.children = slices.Insert(c.children, at, element)
}

// listIndex reads an index of one or two digits without a leading zero.
func listIndex(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0 && n <= maxIndex && strconv.Itoa(n) == text
}

// write writes the value of a record's column, and reports whether there was one: empty cells are absent, and so is
// what only they make up.
func (c *column) write(out *bytes.Buffer, cells []string) bool {
	if c.at >= 0 {
		if cells[c.at] == "" {
			return false
		}
		c.cell(out, cells[c.at])
		return true
	}
	begin, end := byte('{'), byte('}')
	if c.isList {
		begin, end = '[', ']'
	}
	start := out.Len()
	out.WriteByte(begin)
	any := false
	for _, child := range c.children {
		mark := out.Len()
		if any {
			out.WriteByte(',')
		}
		if !c.isList {
			writeText(out, child.name)
			out.WriteByte(':')
		}
		if !child.write(out, cells) {
			out.Truncate(mark)
			continue
		}
		any = true
	}
	if !any {
		out.Truncate(start)
		return false
	}
	out.WriteByte(end)
	return true
}

// cell writes a cell as a value of its column's type. One that does not fit is written as text, for the kind to refuse.
func (c *column) cell(out *bytes.Buffer, text string) {
	switch {
	case text == clearCell:
		out.WriteString("null")
	case c.typ == Boolean && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
		out.WriteString(strconv.FormatBool(strings.EqualFold(text, "true")))
	case c.typ == Number && jsontext.Value(text).Kind() == '0' && jsontext.Value(text).IsValid(),
		(c.typ == Any || c.typ == Object || c.typ == Array) && jsontext.Value(text).IsValid():
		out.WriteString(text)
	default:
		writeText(out, text)
	}
}

func writeText(out *bytes.Buffer, text string) {
	// The text is UTF-8, which has been looked at.
	quoted, _ := jsontext.AppendQuote(out.AvailableBuffer(), text)
	out.Write(quoted)
}
