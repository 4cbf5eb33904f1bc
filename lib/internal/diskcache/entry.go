package diskcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// An entry is a file: a header, then the payload.
//
//	magic    8 bytes  "tokfuse\n"
//	version  4 bytes  little endian, as all numbers
//	key     32 bytes  what the entry answers
//	length   8 bytes  of the payload
//	sum     32 bytes  SHA-256 of the payload
const (
	magic      = "tokfuse\n"
	version    = 1
	headerSize = len(magic) + 4 + len(Key{}) + 8 + sha256.Size
)

// Key names an entry: the SHA-256 of all that its content depends on.
type Key [sha256.Size]byte

// String returns the key in hex, which is the name of its file.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// header returns what stands before payload in the entry of key. It is determined by them to the
// last bit, so that an entry is whole exactly if its header is what this function returns.
func header(key Key, payload []byte) []byte {
	sum := sha256.Sum256(payload)
	h := make([]byte, 0, headerSize)
	h = append(h, magic...)
	h = binary.LittleEndian.AppendUint32(h, version)
	h = append(h, key[:]...)
	h = binary.LittleEndian.AppendUint64(h, uint64(len(payload)))
	return append(h, sum[:]...)
}

// open returns the payload of an entry, and whether it is whole and the entry of key.
func open(key Key, entry []byte) (payload []byte, ok bool) {
	if len(entry) < headerSize {
		return nil, false
	}
	payload = entry[headerSize:]
	return payload, bytes.Equal(entry[:headerSize], header(key, payload))
}
