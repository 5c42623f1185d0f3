package live

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"

	"caseload/internal/httpapi"
)

// The message types of graphql-transport-ws.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

// closure is why a socket is closed. Reasons are fixed sentences.
type closure struct {
	code   websocket.StatusCode
	reason string
}

// The closures of graphql-transport-ws and our own; see the package comment.
var (
	closeRestart      = closure{websocket.StatusGoingAway, "server is restarting"}
	closeTooBig       = closure{websocket.StatusMessageTooBig, "message is too big"}
	closeTryAgain     = closure{websocket.StatusTryAgainLater, "try again later"}
	closeInvalid      = closure{4400, "invalid message"}
	closeUnauthorized = closure{4401, "Unauthorized"}
	closeForbidden    = closure{4403, "Forbidden"}
	closeSubprotocol  = closure{4406, "Subprotocol not acceptable"}
	closeInitTimeout  = closure{4408, "Connection initialisation timeout"}
	closeDuplicate    = closure{4409, "Subscriber already exists"}
	closeSecondInit   = closure{4429, "Too many initialisation requests"}
	closeInternal     = closure{4500, "Internal server error"}
	closeTooMany      = closure{4503, "Too many connections"}
	closeNoPong       = closure{4510, "Ping was not answered"}
)

// maxIDLength bounds the ids of operations, which are kept and repeated in every result.
const maxIDLength = 256

// incoming is a message of a client.
type incoming struct {
	ID      *string         `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

// parseMessage reports whether the body is a message of the protocol that a client may send.
func parseMessage(kind websocket.MessageType, body []byte) (incoming, bool) {
	var m incoming
	if kind != websocket.MessageText || !utf8.Valid(body) || json.Unmarshal(body, &m) != nil {
		return m, false
	}
	switch m.Type {
	case typeInit, typePing, typePong:
		return m, len(m.Payload) == 0 || isNull(m.Payload) || isObject(m.Payload)
	case typeSubscribe:
		return m, m.hasID() && isObject(m.Payload)
	case typeComplete:
		return m, m.hasID()
	default:
		return m, false
	}
}

func (m incoming) hasID() bool {
	return m.ID != nil && *m.ID != "" && len(*m.ID) <= maxIDLength
}

// key returns the API key of a connection_init, in any spelling of the header's name, and false when
// it is there but is not a text.
func (m incoming) key() (string, bool) {
	if len(m.Payload) == 0 {
		return "", true
	}
	var entries map[string]json.RawMessage
	if json.Unmarshal(m.Payload, &entries) != nil {
		return "", false
	}
	for name, value := range entries {
		if strings.EqualFold(name, httpapi.KeyHeader) && !isNull(value) {
			var key string
			err := json.Unmarshal(value, &key)
			return key, err == nil
		}
	}
	return "", true
}

func isObject(raw json.RawMessage) bool {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// compose writes a message of the server; payload is JSON already, or nil. It is put together by hand
// because an encoder would read through the whole result once more.
func compose(kind, id string, payload []byte) []byte {
	body := make([]byte, 0, len(payload)+len(id)+len(kind)+40)
	body = append(body, `{"type":"`...)
	body = append(body, kind...)
	body = append(body, '"')
	if id != "" {
		// A string can always be written as JSON.
		quoted, _ := json.Marshal(id)
		body = append(body, `,"id":`...)
		body = append(body, quoted...)
	}
	if len(payload) > 0 {
		body = append(body, `,"payload":`...)
		body = append(body, payload...)
	}
	return append(body, '}')
}
