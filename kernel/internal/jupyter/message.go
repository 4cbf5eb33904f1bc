package jupyter

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// header says what a message is and which session it belongs to.
type header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"`
	Username string `json:"username"`
	Date     string `json:"date"`
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
}

// Message is a message from the kernel.
type Message struct {
	ID      string
	Type    string
	Parent  string // id of the request that it belongs to
	Content json.RawMessage
}

// protocol is the version of the messaging protocol that the client speaks.
const protocol = "5.3"

// delimiter ends the routing part of a message.
var delimiter = []byte("<IDS|MSG>")

// session signs what it sends and verifies what it receives.
type session struct {
	id  string
	key []byte
}

func newSession() session {
	return session{id: uuid.NewString(), key: []byte(rand.Text())}
}

// encode returns the frames of a request, and its id.
func (s session) encode(kind string, content any) (frames [][]byte, id string, err error) {
	id = uuid.NewString()
	head, err := json.Marshal(header{
		ID: id, Session: s.id, Username: "tokenfuse", Type: kind, Version: protocol,
		Date: time.Now().UTC().Format(time.RFC3339Nano),
	})
	if err != nil {
		return nil, "", err
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, "", err
	}
	parts := [][]byte{head, []byte("{}"), []byte("{}"), body}
	return append([][]byte{delimiter, s.sign(parts)}, parts...), id, nil
}

// decode verifies and reads the frames of a message.
func (s session) decode(frames [][]byte) (*Message, error) {
	start := slices.IndexFunc(frames, func(frame []byte) bool { return bytes.Equal(frame, delimiter) })
	if start < 0 || len(frames) < start+6 {
		return nil, errors.New("jupyter: message is incomplete")
	}
	parts := frames[start+2 : start+6]
	if !hmac.Equal(frames[start+1], s.sign(parts)) {
		return nil, errors.New("jupyter: message has a wrong signature")
	}
	var head, parent header
	if err := json.Unmarshal(parts[0], &head); err != nil {
		return nil, fmt.Errorf("jupyter: header of a message: %w", err)
	}
	if err := json.Unmarshal(parts[1], &parent); err != nil {
		return nil, fmt.Errorf("jupyter: parent header of a message: %w", err)
	}
	return &Message{ID: head.ID, Type: head.Type, Parent: parent.ID, Content: parts[3]}, nil
}

// sign returns the hexadecimal HMAC-SHA256 of header, parent header, metadata and content.
func (s session) sign(parts [][]byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		mac.Write(part)
	}
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// heard remembers the ids of messages, the latest of them: as Jupyter's own clients do, by which a
// message that is played back is known.
type heard struct {
	mu    sync.Mutex
	ids   map[string]bool
	order []string
}

// heardMost is how many ids are remembered.
const heardMost = 1 << 16

// first says whether a message of that id comes for the first time.
func (h *heard) first(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids[id] {
		return false
	}
	if h.ids == nil {
		h.ids = make(map[string]bool)
	}
	if len(h.order) >= heardMost {
		for _, old := range h.order[:heardMost/2] {
			delete(h.ids, old)
		}
		h.order = slices.Clone(h.order[heardMost/2:])
	}
	h.ids[id] = true
	h.order = append(h.order, id)
	return true
}
