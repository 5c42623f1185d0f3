package live_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/httpapi/live"
)

// raw is a client below the WebSocket library: it answers nothing by itself.
type raw struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func (s *server) dialRaw(t *testing.T) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: caseload.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	return &raw{t, conn, reader}
}

// text sends one short message with a mask of zeros.
func (r *raw) text(message string) {
	r.t.Helper()
	require.Less(r.t, len(message), 126)
	_, err := r.conn.Write(append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...))
	require.NoError(r.t, err)
}

// frame reads one short frame of the server.
func (r *raw) frame() (opcode byte, payload []byte) {
	r.t.Helper()
	var head [2]byte
	_, err := io.ReadFull(r.reader, head[:])
	require.NoError(r.t, err)
	payload = make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(r.reader, payload)
	require.NoError(r.t, err)
	return head[0] & 0x0f, payload
}

func TestUnansweredPingClosesTheConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{
		PingInterval: 5 * time.Millisecond, PongTimeout: 20 * time.Millisecond, CloseTimeout: 20 * time.Millisecond,
	}, live.SSEOptions{})
	r := s.dialRaw(t)
	r.text(initGood)
	_, ack := r.frame()
	require.JSONEq(t, `{"type":"connection_ack"}`, string(ack))
	opcode, _ := r.frame()
	require.EqualValues(t, 0x9, opcode)
	opcode, payload := r.frame()
	require.EqualValues(t, 0x8, opcode)
	require.EqualValues(t, 4510, binary.BigEndian.Uint16(payload))
	// The client does not answer the close either.
	_, err := r.reader.ReadByte()
	require.Error(t, err)
}

func TestAnnouncedGiantDoesNotHoldTheConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, live.WebSocketOptions{CloseTimeout: 20 * time.Millisecond}, live.SSEOptions{})
	r := s.dialRaw(t)
	r.text(initGood)
	r.frame()
	// One gibibyte is announced, a little more than the limit arrives, then nothing.
	head := append([]byte{0x81, 0xff}, binary.BigEndian.AppendUint64(nil, 1<<30)...)
	_, err := r.conn.Write(append(append(head, 0, 0, 0, 0), make([]byte, 70<<10)...))
	require.NoError(t, err)
	opcode, payload := r.frame()
	require.EqualValues(t, 0x8, opcode)
	require.EqualValues(t, 1009, binary.BigEndian.Uint16(payload))
	require.Eventually(t, func() bool { return s.ws.Open() == 0 }, patience, time.Millisecond)
}
