package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
)

// proxy stands between a server and PostgreSQL and counts the statements that pass. It is for counting only: what is
// measured talks to PostgreSQL itself.
type proxy struct {
	// url is the database's address through the proxy.
	url string
	// statements counts executions of statements, BEGIN and COMMIT included. It stays zero when the connection is encrypted.
	statements atomic.Int64

	listener net.Listener
	target   string
	mu       sync.Mutex
	open     []net.Conn
	wg       sync.WaitGroup
}

// newProxy listens for connections to the database at an address. It ends by close.
func newProxy(ctx context.Context, databaseURL string) (*proxy, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("read address of database: it is not a URL")
	}
	p := &proxy{target: u.Host}
	if u.Port() == "" {
		p.target = net.JoinHostPort(u.Hostname(), "5432")
	}
	if p.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listen for counted connections: %w", err)
	}
	u.Host = p.listener.Addr().String()
	p.url = u.String()
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, client, server)
		p.mu.Unlock()
		end := func() { _, _ = client.Close(), server.Close() }
		p.wg.Go(func() {
			defer end()
			_, _ = io.Copy(client, server)
		})
		p.wg.Go(func() {
			defer end()
			_ = p.forward(server, bufio.NewReader(client))
		})
	}
}

// sslRequest is the code of a first message that asks for encryption.
const sslRequest = 80877103

// forward copies what a client says, message by message.
func (p *proxy) forward(to io.Writer, from *bufio.Reader) error {
	// The first message has no type: its length, then a code.
	head, err := from.Peek(8)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(to, from, int64(binary.BigEndian.Uint32(head))); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(head[4:]) == sslRequest {
		_, err := io.Copy(to, from)
		return err
	}
	for {
		head, err := from.Peek(5)
		if err != nil {
			return err
		}
		// E executes a prepared statement; Q is a query of the simple protocol.
		if head[0] == 'E' || head[0] == 'Q' {
			p.statements.Add(1)
		}
		if _, err := io.CopyN(to, from, 1+int64(binary.BigEndian.Uint32(head[1:]))); err != nil {
			return err
		}
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, c := range p.open {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
