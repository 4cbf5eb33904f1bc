package weights

import (
	"encoding/binary"
	"errors"
	"math"
)

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
