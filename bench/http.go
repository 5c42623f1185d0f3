package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// request makes the JSON body of one request.
type request func(r *rand.Rand) []byte

// post is a request with a query and variables.
func post(query string, variables map[string]any) []byte {
	// Strings and numbers always marshal.
	body, _ := json.Marshal(map[string]any{"query": query, "variables": variables})
	return body
}

// connection is one client. It writes finished bytes and looks at the answer as little as it can, since it
// shares the processors with what it measures.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
	head string
	out  []byte
	body []byte
}

func (s *server) connect(ctx context.Context) (*connection, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connect to server: %w", err)
	}
	head := "POST /graphql HTTP/1.1\r\nHost: " + s.address + "\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
	if s.key != "" {
		head += "X-API-Key: " + s.key + "\r\n"
	}
	head += "Content-Length: "
	return &connection{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), head: head}, nil
}

// do sends one request and returns the answer, which is good until the next one.
func (c *connection) do(body []byte) ([]byte, error) {
	c.out = append(append(c.out[:0], c.head...), strconv.Itoa(len(body))...)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	good := bytes.HasPrefix(line, []byte("HTTP/1.1 200"))
	size := -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, fmt.Errorf("read answer: %w", err)
			}
		}
	}
	if size < 0 {
		return nil, errors.New("read answer: it has no length")
	}
	if cap(c.body) < size {
		c.body = make([]byte, size+size/4)
	}
	c.body = c.body[:size]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	// Errors of the operation stand first.
	if !good || !bytes.HasPrefix(c.body, []byte(`{"data":`)) {
		return nil, fmt.Errorf("the server answered: %.500s", c.body)
	}
	return c.body, nil
}

// ask sends one request and decodes the answer's data.
func (c *connection) ask(body []byte, data any) error {
	answer, err := c.do(body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, &struct{ Data any }{data}); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// warmUp is what of a measurement is not counted: connections, prepared statements and the heap settle.
const warmUp = 300 * time.Millisecond

// once sends one request on a connection of its own.
func (s *server) once(ctx context.Context, next request) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.conn.Close() //nolint:errcheck // the answer has been read
	_, err = c.do(next(rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))))
	return err
}

// load sends requests on so many connections for a time. An answer without the text want ends it, as do errors.
func (s *server) load(ctx context.Context, clients int, d time.Duration, next request, want string) (*sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The first request of its kind prepares statements and fills caches. On a busy machine it takes longer than the warm-up.
	if err := s.once(ctx, next); err != nil {
		return nil, err
	}
	begin := time.Now().Add(min(warmUp, d))
	end := begin.Add(d)
	latencies := make([][]time.Duration, clients)
	var wg sync.WaitGroup
	for i := range clients {
		c, err := s.connect(ctx)
		if err != nil {
			cancel(err)
			break
		}
		r := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
		wg.Go(func() {
			defer c.conn.Close() //nolint:errcheck // all answers have been read
			for ctx.Err() == nil {
				body := next(r)
				sent := time.Now()
				if sent.After(end) && len(latencies[i]) > 0 {
					return
				}
				answer, err := c.do(body)
				if err == nil && !bytes.Contains(answer, []byte(want)) {
					err = fmt.Errorf("the server answered: %.500s", answer)
				}
				if err != nil {
					cancel(err)
					return
				}
				if sent.After(begin) {
					latencies[i] = append(latencies[i], time.Since(sent))
				}
			}
		})
	}
	out := &sample{}
	out.before(ctx, s, begin)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, l := range latencies {
		all = append(all, l...)
	}
	// The last requests end after the time is over: they count with the time that they took.
	out.latencies(all, time.Since(begin))
	return out, out.after(ctx, s)
}
