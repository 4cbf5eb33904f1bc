package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// A pickle (https://docs.python.org/3/library/pickletools.html) is a program for a small stack
// machine. This one knows the instructions of protocols 2 to 5 that make plain values; whatever names a
// class or a function is for the torch objects to honour or refuse. Every instruction takes constant
// time and memory, or as much as it takes bytes of the pickle.

// What a pickle makes: nil, bool, int64, float64, string (bytes too), and these.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct{ pairs []any } // key, value, key, value, ...
	// long is an integer of more than 64 bits, its little-endian bytes.
	long string
	// global is a class or function by its full name.
	global string
	// inert is an object that is of no interest.
	inert struct{}
)

const (
	opProto = 0x80
	opStop  = '.'
	// Well over 50000 tensors with all that belongs to them.
	mostInstructions = 1 << 21
)

type unpickler struct {
	in    []byte
	at    int
	stack []any
	marks []int // heights of the stack
	memo  map[uint32]any
	torch *torchObjects
	err   error // the first one
}

// unpickle runs the pickle at the beginning of in, and returns its value and what follows it.
func unpickle(in []byte, torch *torchObjects) (value any, rest []byte, err error) {
	u := unpickler{in: in, memo: map[uint32]any{}, torch: torch}
	for n := 0; u.err == nil; n++ {
		op := u.uint(1)
		switch {
		case u.err != nil:
		case n == mostInstructions:
			u.fail("more than %d instructions in its pickle: save the state dict alone", mostInstructions)
		case op == opStop:
			value = u.pop()
			return value, u.in[u.at:], u.err
		case !u.constant(op) && !u.container(op) && !u.memory(op) && !u.object(op):
			u.unknown(op)
		}
	}
	return nil, nil, u.err
}

func (u *unpickler) fail(format string, values ...any) {
	if u.err == nil {
		u.err = fmt.Errorf(format, values...)
	}
}

// unknown reports an instruction that is none of ours: of protocols 0 and 1, which write numbers and
// strings as lines of text and in which torch.save does not write by itself, or of nothing.
func (u *unpickler) unknown(op uint64) {
	if strings.IndexByte("FILPSVgop", byte(op)) >= 0 {
		u.fail("pickle protocols 0 and 1 are not supported: load it in PyTorch and save it again, torch.save(state_dict, FILE)")
		return
	}
	u.fail("no checkpoint: instruction %#02x at byte %d of its pickle", op, u.at-1)
}

// take returns the next n bytes, which are not copied.
func (u *unpickler) take(n uint64) []byte {
	if n > uint64(len(u.in)-u.at) {
		u.fail("its pickle breaks off at byte %d", len(u.in))
		u.at = len(u.in)
		return nil
	}
	from := u.at
	u.at += int(n)
	return u.in[from:u.at]
}

// uint reads a little-endian number of width bytes, 0 where the pickle has ended.
func (u *unpickler) uint(width int) uint64 {
	var all [8]byte
	copy(all[:], u.take(uint64(width)))
	return binary.LittleEndian.Uint64(all[:])
}

func (u *unpickler) line() string {
	n := bytes.IndexByte(u.in[u.at:], '\n')
	if n < 0 {
		n = len(u.in) // breaks off
	}
	text := u.take(uint64(n) + 1)
	return string(bytes.TrimSuffix(text, []byte("\n")))
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

// floor is the height that only what takes the mark away may go below.
func (u *unpickler) floor() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

// popN takes the n topmost values; they stand until the next push. Short of them, it fails and takes
// none.
func (u *unpickler) popN(n int) []any {
	if len(u.stack)-n < u.floor() {
		u.fail("no checkpoint: its pickle takes what is not there")
		return make([]any, n)
	}
	top := u.stack[len(u.stack)-n:]
	u.stack = u.stack[:len(u.stack)-n]
	return top
}

func (u *unpickler) pop() any { return u.popN(1)[0] }

// popMark takes what was pushed since the last mark, and the mark.
func (u *unpickler) popMark() []any {
	if len(u.marks) == 0 {
		u.fail("no checkpoint: its pickle takes what is not there")
		return nil
	}
	top := u.popN(len(u.stack) - u.floor())
	u.marks = u.marks[:len(u.marks)-1]
	return top
}

// printable is text out of a file, fit for a line of a terminal.
func printable(text string) string {
	const most = 100
	if len(text) > most {
		text = text[:most] + "..."
	}
	quoted := strconv.QuoteToASCII(text)
	return quoted[1 : len(quoted)-1]
}
