package weights_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"tokenfuse/lib/weights"
)

// Pickles, put together by hand.

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func number(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func group(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func numbers(all []int64) string {
	var items []string
	for _, n := range all {
		items = append(items, number(n))
	}
	return group(items...)
}

// storageOf is record 0 as so many elements of a kind ("float", ...).
func storageOf(kind string, count int64) string {
	class := strings.ToUpper(kind[:1]) + kind[1:] + "Storage"
	return group(text("storage"), "ctorch\n"+class+"\n", text("0"), text("cpu"), number(count)) + "Q"
}

func tensorOf(kind string, count, offset int64, dims, strides []int64) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n" +
		group(storageOf(kind, count), number(offset), numbers(dims), numbers(strides), "\x89", "N") + "R"
}

// state is a whole pickle, of a state dict with the tensors w0, w1, ...
func state(tensors ...string) string {
	all := "\x80\x02}("
	for i, t := range tensors {
		all += text("w"+string(rune('0'+i))) + t
	}
	return all + "u."
}

// zipped is an archive as torch.save makes it.
func zipped(records map[string][]byte) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range []string{"data.pkl", "byteorder", "data/0", "data/1"} {
		if record, ok := records[name]; ok {
			f, err := w.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: zip.Store})
			if err != nil {
				panic(err)
			}
			f.Write(record)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// TestHostile: a pickle that claims much is refused in one line, and never takes more memory than some
// multiple of its size. Record 0 holds 16 bytes.
func TestHostile(t *testing.T) {
	many := strings.Repeat
	half := int64(math.MaxInt64 / 2)
	for name, c := range map[string]struct{ pickle, want string }{
		"nothing":                    {"", "breaks off"},
		"a string without end":       {"\x80\x02X\xff\xff\xff\xff", "its pickle breaks off at byte 7"},
		"a string of 2^64 bytes":     {"\x80\x04\x8d" + many("\xff", 8), "breaks off"},
		"a number of 2 GB":           {"\x80\x02\x8b\xff\xff\xff\x7f", "breaks off"},
		"a number of -1 bytes":       {"\x80\x02\x8b\xff\xff\xff\xff", "breaks off"},
		"a name without end":         {"\x80\x02c" + many("a", 1000), "breaks off"},
		"an endless stack":           {"\x80\x02N" + many("2", 1<<22), "more than 2097152 instructions"},
		"an endless memo":            {"\x80\x04N" + many("\x94", 1<<22), "more than 2097152 instructions"},
		"endless dicts":              {"\x80\x02" + many("}", 1<<22), "more than 2097152 instructions"},
		"endless marks":              {"\x80\x02" + many("(", 1<<22), "more than 2097152 instructions"},
		"lists a million deep":       {"\x80\x02" + many("]", 1<<19) + many("a", 1<<19-1) + ".", "a checkpoint without names"},
		"2^60 values by sharing":     {"\x80\x02N" + many("2\x86", 60) + ".", "a checkpoint without names"},
		"a dict within itself":       {"\x80\x02}q\x00" + text("model") + "h\x00s.", "a checkpoint without tensors"},
		"nothing to take":            {"\x80\x02.", "takes what is not there"},
		"taken from below a mark":    {"\x80\x02]N(a", "takes what is not there"},
		"an empty dict":              {"\x80\x02}.", "a checkpoint without tensors: its dict is empty"},
		"no mark":                    {"\x80\x02Nt.", "takes what is not there"},
		"never made":                 {"\x80\x02h\x05.", "recalls what it did not make"},
		"a key alone":                {"\x80\x02}(" + text("w") + "u.", "a key without a value"},
		"items of a number":          {"\x80\x02K\x01Na.", "adds items to what holds none"},
		"a call of a number":         {"\x80\x02K\x01)R.", "calls what is no function"},
		"a call of a type":           {"\x80\x02ctorch\nfloat32\n)R.", "calls torch.float32"},
		"an extension":               {"\x80\x02\x82\x01.", "instruction 0x82 at byte 2"},
		"text of protocol 0":         {"I1\n.", "pickle protocols 0 and 1 are not supported: load it in PyTorch and save it again"},
		"a dict of protocol 0":       {"(dp0\n.", "pickle protocols 0 and 1 are not supported"},
		"a dict of protocol 1":       {"}q\x00(X\x01\x00\x00\x00wq\x01I1\nu.", "pickle protocols 0 and 1 are not supported"},
		"os.system, protocol 0":      {"cos\nsystem\n(S'true'\ntR.", "refuses os.system: a checkpoint may hold tensors only"},
		"os.system as an instance":   {"\x80\x02(" + text("true") + "ios\nsystem\n.", "refuses os.system: "},
		"os.system off the stack":    {"\x80\x04\x8c\x02os\x8c\x06system\x93.", "refuses os.system: "},
		"eval":                       {"\x80\x02c__builtin__\neval\n.", "refuses __builtin__.eval: "},
		"torch's own loader":         {"\x80\x02ctorch\nload\n.", "refuses torch.load: "},
		"a type with a method":       {"\x80\x02ctorch\nfloat8_e.mro\n.", "refuses torch.float8_e.mro: "},
		"a name of lines and colour": {"\x80\x04\x8c\x02os\x8c\x05\n\x1b[1m\x93.", `refuses os.\n\x1b[1m: `},
		"a long name":                {"\x80\x02cos\n" + many("x", 5000) + "\n.", "xxx...: a checkpoint"},
		"a whole module":             {"\x80\x02" + group(text("module"), "N", "N", "N") + "Q.", "holds a whole module"},
		"a storage of nothing":       {"\x80\x02NQ.", "a storage of another kind"},
		"a storage of two types":     {state(tensorOf("float", 4, 0, nil, nil), tensorOf("long", 2, 0, nil, nil)), "storage 0 is of 4 float32 and of 2 int64"},
		"a storage of -1 elements":   {state(tensorOf("float", -1, 0, nil, nil)), "without a number of elements"},
		"a storage of 5 elements":    {state(tensorOf("float", 5, 0, []int64{1}, []int64{1})), "claims 5 elements, but has 4"},
		"a storage of 2^62 elements": {state(tensorOf("double", half, 0, []int64{1}, []int64{1})), "claims 4611686018427387903 elements"},
		"beyond the storage":         {state(tensorOf("float", 4, 0, []int64{5}, []int64{1})), "reaches beyond its storage of 4"},
		"an offset beyond":           {state(tensorOf("float", 4, 4, nil, nil)), "reaches beyond"},
		"an offset before":           {state(tensorOf("float", 4, -1, []int64{1}, []int64{1})), "without storage, offset, size and stride"},
		"a stride beyond":            {state(tensorOf("float", 4, 0, []int64{2, 2}, []int64{3, 1})), "reaches beyond"},
		"a stride backwards":         {state(tensorOf("float", 4, 3, []int64{2}, []int64{-1})), "without storage"},
		"strides that wrap around":   {state(tensorOf("float", 4, 1, []int64{5, 5, 3}, []int64{half / 2, half / 2, half})), "reaches beyond"},
		"a size of 2^62":             {state(tensorOf("float", 4, 0, []int64{half, half}, []int64{0, 0})), "reaches beyond"},
		"a size of -1":               {state(tensorOf("float", 4, 0, []int64{-1}, []int64{1})), "without storage"},
		"one element, 2^40 times":    {state(tensorOf("float", 4, 0, []int64{1 << 40}, []int64{0})), "many times larger than the file"},
		"100 dimensions":             {state(tensorOf("float", 4, 0, slices.Repeat([]int64{1}, 100), slices.Repeat([]int64{1}, 100))), "without storage"},
		"a stride too few":           {state(tensorOf("float", 4, 0, []int64{1, 1}, []int64{1})), "without storage"},
		"short integers":             {state(tensorOf("short", 8, 0, []int64{1}, []int64{1})), `tensor "w0": type int16 is not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			data := zipped(map[string][]byte{"data.pkl": []byte(c.pickle), "data/0": make([]byte, 16)})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := weights.Decode(data)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 1000 {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
			// What was allocated in all, let go of meanwhile or not.
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 100*uint64(len(data))+1<<20 {
				t.Errorf("%d bytes were taken for a file of %d", taken, len(data))
			}
		})
	}
}

// TestHostileArchives: what an archive claims of its records.
func TestHostileArchives(t *testing.T) {
	good := []byte(state(tensorOf("float", 4, 0, []int64{4}, []int64{1})))
	record := make([]byte, 16)
	compressed := func() []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		f, _ := w.Create("archive/data.pkl") // deflated
		f.Write(make([]byte, 1<<20))
		w.Close()
		return out.Bytes()
	}
	// Two storages whose records are one, which is most of the file.
	overlapping := func() []byte {
		first := tensorOf("float", 1000, 0, []int64{4}, []int64{1})
		data := zipped(map[string][]byte{
			"data.pkl": []byte(state(first, strings.Replace(first, text("0"), text("1"), 1))),
			"data/0":   make([]byte, 4000), "data/1": nil})
		// In the directory, 46 bytes before the name say where the record is, how long, and its checksum.
		entry := func(name string) []byte {
			at := bytes.LastIndex(data, []byte(name))
			return data[at-46 : at]
		}
		copy(entry("archive/data/1"), entry("archive/data/0"))
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"another archive":   {zipped(map[string][]byte{"data/0": record}), "a zip archive without data.pkl"},
		"a compressed one":  {compressed(), "is compressed, which torch.save never does"},
		"a record too few":  {zipped(map[string][]byte{"data.pkl": good}), "has no record data/0"},
		"a big-endian one":  {zipped(map[string][]byte{"data.pkl": good, "byteorder": []byte("big"), "data/0": record}), "big-endian"},
		"records in two":    {overlapping(), "the records of the archive overlap"},
		"a record too long": {bytes.Replace(zipped(map[string][]byte{"data.pkl": good, "data/0": record}), []byte{16, 0, 0, 0, 16, 0, 0, 0}, []byte{16, 16, 16, 0, 16, 16, 16, 0}, -1), "reaches beyond the file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := weights.Decode(c.data); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v does not say %q in one line", err, c.want)
			}
		})
	}
}
