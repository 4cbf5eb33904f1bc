package weights

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
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
			u.fail("no checkpoint: instruction %#02x at byte %d of its pickle", op, u.at-1)
		}
	}
	return nil, nil, u.err
}

func (u *unpickler) fail(format string, values ...any) {
	if u.err == nil {
		u.err = fmt.Errorf(format, values...)
	}
}

// take returns the next n bytes, which are not copied.
func (u *unpickler) take(n uint64) []byte {
	if n > uint64(len(u.in)-u.at) {
		u.fail("its pickle breaks off")
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

// constant does instructions that push what stands in the pickle.
func (u *unpickler) constant(op uint64) bool {
	switch op {
	case 'N':
		u.push(nil)
	case 0x88, 0x89: // True, False
		u.push(op == 0x88)
	case 'K':
		u.push(int64(u.uint(1)))
	case 'M':
		u.push(int64(u.uint(2)))
	case 'J':
		u.push(int64(int32(u.uint(4))))
	case 0x8a, 0x8b: // LONG1, LONG4
		u.push(integer(u.take(u.uint(1 + 3*int(op-0x8a)))))
	case 'G':
		var bits [8]byte
		copy(bits[:], u.take(8))
		u.push(math.Float64frombits(binary.BigEndian.Uint64(bits[:])))
	case 'U', 'C', 0x8c: // strings and bytes with lengths of 1, 4 and 8 bytes
		u.push(string(u.take(u.uint(1))))
	case 'T', 'B', 'X':
		u.push(string(u.take(u.uint(4))))
	case 0x8d, 0x8e, 0x96:
		u.push(string(u.take(u.uint(8))))
	case opProto:
		u.take(1)
	case 0x95: // FRAME: how much may be read ahead
		u.take(8)
	default:
		return false
	}
	return true
}

// integer is a two's complement number of any length.
func integer(b []byte) any {
	if len(b) > 8 {
		return long(b)
	}
	var all [8]byte
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		all = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
	}
	copy(all[:], b)
	return int64(binary.LittleEndian.Uint64(all[:]))
}

// container does instructions that make and fill tuples, lists, dicts and sets.
func (u *unpickler) container(op uint64) bool {
	switch op {
	case '(':
		u.marks = append(u.marks, len(u.stack))
	case ')':
		u.push(tuple(nil))
	case 't':
		u.push(append(tuple(nil), u.popMark()...))
	case 0x85, 0x86, 0x87: // of 1, 2 and 3
		u.push(append(tuple(nil), u.popN(int(op-0x84))...))
	case ']':
		u.push(&list{})
	case 'l':
		u.push(&list{append([]any(nil), u.popMark()...)})
	case 'a', 'e':
		u.extend(op == 'a', 1)
	case '}':
		u.push(&dict{})
	case 'd':
		u.push(&dict{u.pairs(append([]any(nil), u.popMark()...))})
	case 's', 'u':
		u.extend(op == 's', 2)
	case 0x8f: // an empty set
		u.push(inert{})
	case 0x90: // items to a set
		u.popMark()
	case 0x91: // a frozen set
		u.popMark()
		u.push(inert{})
	default:
		return false
	}
	return true
}

// extend adds one item of a list or dict, or all since the mark; an item is width values.
func (u *unpickler) extend(one bool, width int) {
	var items []any
	if one {
		items = u.popN(width)
	} else {
		items = u.popMark()
	}
	switch to := u.top().(type) {
	case *list:
		if width == 1 {
			to.items = append(to.items, items...)
			return
		}
	case *dict:
		if width == 2 {
			to.pairs = append(to.pairs, u.pairs(items)...)
			return
		}
	case inert:
		return
	}
	u.fail("no checkpoint: its pickle adds items to what holds none")
}

func (u *unpickler) pairs(items []any) []any {
	if len(items)%2 != 0 {
		u.fail("no checkpoint: its pickle has a key without a value")
		return nil
	}
	return items
}

// top is the topmost value, which stays.
func (u *unpickler) top() any {
	v := u.pop()
	u.push(v)
	return v
}

// memory does instructions that move values between the stack and the memo.
func (u *unpickler) memory(op uint64) bool {
	switch op {
	case 'q':
		u.memo[uint32(u.uint(1))] = u.top()
	case 'r':
		u.memo[uint32(u.uint(4))] = u.top()
	case 0x94: // under the next number
		u.memo[uint32(len(u.memo))] = u.top()
	case 'h':
		u.recall(uint32(u.uint(1)))
	case 'j':
		u.recall(uint32(u.uint(4)))
	case '0':
		u.pop()
	case '1':
		u.popMark()
	case '2':
		u.push(u.top())
	default:
		return false
	}
	return true
}

func (u *unpickler) recall(number uint32) {
	v, ok := u.memo[number]
	if !ok {
		u.fail("no checkpoint: its pickle recalls what it did not make")
	}
	u.push(v)
}

// object does instructions that name classes and functions and apply them.
func (u *unpickler) object(op uint64) bool {
	switch op {
	case 'c', 'i':
		module := u.line()
		u.name(module, u.line())
		if op == 'i' {
			u.popMark()
			u.push(inert{})
		}
	case 0x93: // from the stack
		both := u.popN(2)
		module, ok := both[0].(string)
		name, also := both[1].(string)
		if !ok || !also {
			u.fail("no checkpoint: its pickle names a class by what is no name")
		}
		u.name(module, name)
	case 'R', 0x81: // a call, an object without state
		both := u.popN(2)
		function, ok := both[0].(global)
		args, also := both[1].(tuple)
		if !ok || !also {
			u.fail("no checkpoint: its pickle calls what is no function")
			break
		}
		u.result(u.torch.call(function, args))
	case 'b': // state of an object, of which only the object is kept
		u.pop()
		u.top()
	case 'Q':
		u.result(u.torch.persistent(u.pop()))
	default:
		return false
	}
	return true
}

// name pushes a class or function, if it is honoured.
func (u *unpickler) name(module, name string) {
	full := module + "." + name
	if u.err == nil && !honoured(full) {
		u.err = errors.New("refuses " + printable(full) + ": a checkpoint may hold tensors only, as torch.save(model.state_dict(), FILE) writes them")
	}
	u.push(global(full))
}

func (u *unpickler) result(v any, err error) {
	if u.err == nil {
		u.err = err
	}
	u.push(v)
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
