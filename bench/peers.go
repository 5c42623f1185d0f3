package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// peer is another GraphQL server on our tables, with the requests that ask it for what ours is asked for.
type peer struct {
	name, script string
	page         []byte
	nest         func(reference string) []byte
	// deep asks for the page after a cursor, which cursor finds.
	deep   func(after string) []byte
	cursor func(c *connection, rows int, due, id string) (string, error)
}

// peerNames are the servers, and peerProcesses in how many processes each is measured.
var (
	peerNames     = []string{"PostGraphile", "mercurius"}
	peerProcesses = []int{1, 2}
)

func newPeers(folder string) ([]peer, error) {
	postgraphile, err := os.ReadFile(filepath.Join(folder, "postgraphile.graphql"))
	if err != nil {
		return nil, fmt.Errorf("read query: %w", err)
	}
	mercurius, err := os.ReadFile(filepath.Join(folder, "mercurius.graphql"))
	if err != nil {
		return nil, fmt.Errorf("read query: %w", err)
	}
	org := big.String()
	const task = `{ id: rowId state attemptNumber dueAt dueLocal timeZone windowEndsAt }`
	const tasks = `(condition: {organizationId: $org}, orderBy: [DUE_AT_ASC, ROW_ID_ASC], `
	return []peer{
		{
			name: peerNames[0], script: "postgraphile.mjs",
			page: post(`query Page($org: UUID!) { customers: allCustomersList(condition: {organizationId: $org}, orderBy: [CREATED_AT_ASC, ROW_ID_ASC], first: 50) { ...Page } } `+string(postgraphile), map[string]any{"org": org}),
			nest: func(reference string) []byte {
				return post(`query Nest($org: UUID!, $ref: String!) { customer: customerByOrganizationIdAndReferenceId(organizationId: $org, referenceId: $ref) { ...Page } } `+string(postgraphile),
					map[string]any{"org": org, "ref": reference})
			},
			deep: func(after string) []byte {
				return post(`query Deep($org: UUID!, $after: Cursor!) { callTasks: allCallTasks`+tasks+`first: 50, after: $after) { nodes `+task+` pageInfo { hasNextPage endCursor } } }`, map[string]any{"org": org, "after": after})
			},
			cursor: func(c *connection, rows int, _, _ string) (string, error) {
				var data struct {
					CallTasks struct{ PageInfo struct{ EndCursor string } }
				}
				err := c.ask(post(`query Find($org: UUID!, $offset: Int!) { callTasks: allCallTasks`+tasks+`first: 1, offset: $offset) { pageInfo { endCursor } } }`, map[string]any{"org": org, "offset": rows - 1}), &data)
				return data.CallTasks.PageInfo.EndCursor, err
			},
		},
		{
			name: peerNames[1], script: "mercurius.mjs",
			page: post(`query Page { customers(first: 50) { nodes { ...Page } pageInfo { hasNextPage endCursor } } } `+string(mercurius), nil),
			nest: func(reference string) []byte {
				return post(`query Nest($ref: String!) { customer(referenceId: $ref) { ...Page } } `+string(mercurius), map[string]any{"ref": reference})
			},
			deep: func(after string) []byte {
				return post(`query Deep($after: String!) { callTasks(first: 50, after: $after) { nodes { id state attemptNumber dueAt dueLocal timeZone windowEndsAt } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after})
			},
			cursor: func(_ *connection, _ int, due, id string) (string, error) {
				return base64.RawURLEncoding.EncodeToString([]byte(due + "|" + id)), nil
			},
		},
	}, nil
}

// peers are the servers beside ours, running.
type peers struct {
	bench   *bench
	folder  string
	dir     string
	running []*server
	// counted are the statements of a request, by the name of what is measured.
	counted map[string]float64
}

func (p *peers) close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, s := range p.running {
		errs = append(errs, s.stop())
	}
	return errors.Join(errs...)
}

// findPeers finds what is installed in a folder. What it returns is to be closed.
func (b *bench) findPeers(folder, dir string) (*peers, error) {
	p := &peers{bench: b, folder: folder, dir: dir, counted: map[string]float64{}}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", ".bin", "node")); err != nil {
		return p, fmt.Errorf("find the other servers: %w (make bench/peers installs them)", err)
	}
	return p, nil
}

// start runs one server in so many processes, which share 16 connections to the database at url.
func (p *peers) start(ctx context.Context, o peer, processes int, url string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(p.folder)
	if err != nil {
		return nil, fmt.Errorf("find folder of %s: %w", o.name, err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(folder, "node_modules", ".bin", "node"), filepath.Join(folder, o.script))
	cmd.Env = append(clean(os.Environ()), "NODE_ENV=production", "GRAPHILE_ENV=production", "DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE=200",
		"PORT="+address[strings.LastIndexByte(address, ':')+1:], "PROCESSES="+strconv.Itoa(processes), "CONNECTIONS=16",
		"PEER_DATABASE_URL="+url, "ORGANIZATION="+big.String())
	s := &server{cmd: cmd, address: address, client: &http.Client{Timeout: 2 * time.Minute}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = s.start(ctx, p.dir, func(ctx context.Context) error {
		c, err := s.connect(ctx)
		if err != nil {
			return err
		}
		defer c.conn.Close() //nolint:errcheck // nothing was sent
		return nil
	})
	return s, err
}

// asked is one kind of request to one server.
type asked struct {
	query string
	next  request
}

// requests are what a peer is asked; s is one of its servers.
func (p *peers) requests(ctx context.Context, o peer, s *server, rows int, due, id string) ([]asked, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close() //nolint:errcheck // all answers have been read
	after, err := o.cursor(c, rows, due, id)
	if err != nil {
		return nil, fmt.Errorf("find the page of %s: %w", o.name, err)
	}
	return []asked{{"Q1", always(o.page)}, {"Q2", p.bench.nests(o.nest)}, {"Q3", always(o.deep(after))}}, nil
}

// cells starts the servers, checks that all give the same rows, counts statements, and says what is measured.
func (p *peers) cells(ctx context.Context, progress io.Writer) ([]*cell, error) {
	b := p.bench
	variables := map[string]string{}
	deep, _, err := b.deepPages(ctx, variables)
	if err != nil {
		return nil, err
	}
	rows := (min(deepPage, b.customers*7/pageSize/2) - 1) * pageSize
	ours := []asked{{"Q1", always(pageQuery())}, {"Q2", b.nests(nestQuery)}, {"Q3", always(deep)}}
	want := map[string]map[string]int{}
	for query, body := range map[string][]byte{"Q1": pageQuery(), "Q2": nestQuery(reference(1)), "Q3": deep} {
		if want[query], err = b.server.shape(ctx, body); err != nil {
			return nil, err
		}
		say(progress, "%s has %s", query, describe(want[query]))
	}
	var list []*cell
	add := func(name string, s *server, next request) {
		for _, n := range []int{1, concurrent} {
			list = append(list, &cell{name: name, clients: n, measure: func(ctx context.Context, clients int, d time.Duration) (*sample, error) {
				out, err := s.load(ctx, clients, d, next, `"dueLocal":`)
				if err == nil && s.key == "" {
					out.statements = p.counted[name]
				}
				return out, err
			}})
		}
	}
	for _, a := range ours {
		add(a.query+" Caseload", b.server, a.next)
	}
	all, err := newPeers(p.folder)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		counted, err := p.count(ctx, o, want, rows, variables)
		if err != nil {
			return nil, err
		}
		for _, processes := range peerProcesses {
			s, err := p.start(ctx, o, processes, b.db.url)
			if s != nil {
				p.running = append(p.running, s)
			}
			if err != nil {
				return nil, err
			}
			requests, err := p.requests(ctx, o, s, rows, variables["due"], variables["id"])
			if err != nil {
				return nil, err
			}
			for _, a := range requests {
				name := peerCell(a.query, o.name, processes)
				p.counted[name] = counted[a.query]
				// Both processes compile what they are asked for often.
				if _, err := s.load(ctx, 4, warmUp, a.next, `"dueLocal":`); err != nil {
					return nil, fmt.Errorf("warm up %s: %w", name, err)
				}
				add(name, s, a.next)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *cell) int { return strings.Compare(a.name[:2], b.name[:2]) })
	return list, nil
}

func peerCell(query, name string, processes int) string {
	if processes == 1 {
		return query + " " + name + ", 1 process"
	}
	return fmt.Sprintf("%s %s, %d processes", query, name, processes)
}

// countedRequests is over how many requests statements are counted.
const countedRequests = 20

// count runs a peer behind a proxy that counts its statements, in a pass of its own, and compares its rows with ours.
func (p *peers) count(ctx context.Context, o peer, want map[string]map[string]int, rows int, variables map[string]string) (map[string]float64, error) {
	proxy, err := newProxy(ctx, p.bench.db.url)
	if err != nil {
		return nil, err
	}
	defer proxy.close()
	s, err := p.start(ctx, o, 1, proxy.url)
	if s != nil {
		defer func() { _ = s.stop() }()
	}
	if err != nil {
		return nil, err
	}
	requests, err := p.requests(ctx, o, s, rows, variables["due"], variables["id"])
	if err != nil {
		return nil, err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close() //nolint:errcheck // all answers have been read
	counted := map[string]float64{}
	for _, a := range requests {
		body := a.next(rand.New(rand.NewPCG(1, 1)))
		if a.query == "Q2" {
			body = o.nest(reference(1))
		}
		got, err := s.shape(ctx, body)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", o.name, err)
		}
		if !maps.Equal(got, want[a.query]) {
			return nil, fmt.Errorf("compare %s of %s: it has %s, ours has %s", a.query, o.name, describe(got), describe(want[a.query]))
		}
		before := proxy.statements.Load()
		for range countedRequests {
			if _, err := c.do(body); err != nil {
				return nil, err
			}
		}
		counted[a.query] = float64(proxy.statements.Load()-before) / countedRequests
	}
	return counted, nil
}

// shape sends one request and counts the objects of the answer at every level.
func (s *server) shape(ctx context.Context, body []byte) (map[string]int, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close() //nolint:errcheck // the answer has been read
	answer, err := c.do(body)
	if err != nil {
		return nil, err
	}
	var data struct{ Data any }
	if err := json.NewDecoder(bytes.NewReader(answer)).Decode(&data); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	counts := map[string]int{}
	countObjects(data.Data, "", counts)
	if len(counts) == 0 {
		return nil, errors.New("count rows: there are none")
	}
	return counts, nil
}

// countObjects counts objects by their path. Lists and pages are alike: a page counts as its nodes.
func countObjects(v any, path string, counts map[string]int) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			countObjects(item, path, counts)
		}
	case map[string]any:
		if nodes, ok := v["nodes"]; ok {
			countObjects(nodes, path, counts)
			return
		}
		if path != "" {
			counts[path]++
		}
		for name, child := range v {
			countObjects(child, strings.TrimPrefix(path+"."+name, "."), counts)
		}
	}
}

func describe(counts map[string]int) string {
	var parts []string
	for _, path := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[path], path))
	}
	return strings.Join(parts, ", ")
}
