package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// magic begins the stream of pickles that torch.save wrote before torch 1.6.
const magic = long("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")

// decodeArchive reads the zip format: a pickle data.pkl, and a record for each storage.
func decodeArchive(data []byte, prefer []string) (*File, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("a PyTorch checkpoint that is damaged or not whole: %w", err)
	}
	records := map[string]*zip.File{}
	folder := ""
	for _, f := range archive.File {
		records[f.Name] = f
		if before, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(before, "/") {
			folder = before
		}
	}
	seen, sum := map[string][]byte{}, 0
	record := func(name string) ([]byte, error) {
		f, ok := records[folder+"/"+name]
		if !ok {
			return nil, fmt.Errorf("no whole checkpoint: the archive has no record %s", printable(name))
		}
		if raw, ok := seen[name]; ok {
			return raw, nil
		}
		raw, err := recordOf(f, data)
		// Each is read once, and all of them not for longer than the file is.
		if sum += len(raw); sum > len(data) {
			return nil, errors.New("no PyTorch checkpoint: the records of the archive overlap")
		}
		seen[name] = raw
		return raw, err
	}
	switch {
	case folder == "":
		return nil, errors.New("no PyTorch checkpoint: a zip archive without data.pkl")
	case records[folder+"/constants.pkl"] != nil:
		return nil, errors.New("a TorchScript archive: save the state dict, torch.save(model.state_dict(), FILE)")
	case records[folder+"/byteorder"] != nil:
		if order, err := record("byteorder"); err != nil || string(order) != "little" {
			return nil, errors.New("a checkpoint of a big-endian machine: save it again on a little-endian one")
		}
	}
	program, err := record("data.pkl")
	if err != nil {
		return nil, err
	}
	root, _, err := unpickle(program, &torchObjects{map[string]*storage{}})
	if err != nil {
		return nil, err
	}
	return stateDict(root, prefer, len(data), func(s *storage) ([]byte, error) { return record("data/" + s.key) })
}

// recordOf returns the bytes of a record within those of the archive. torch.save compresses none, so
// that no record is larger than the file.
func recordOf(f *zip.File, data []byte) ([]byte, error) {
	name := printable(f.Name)
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return nil, fmt.Errorf("record %s is compressed, which torch.save never does: save it again", name)
	}
	from, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("record %s is damaged: %w", name, err)
	}
	if from < 0 || from > int64(len(data)) || f.UncompressedSize64 > uint64(int64(len(data))-from) {
		return nil, fmt.Errorf("record %s reaches beyond the file: the file is damaged or not whole", name)
	}
	raw := data[from : from+int64(f.UncompressedSize64)]
	// torch.serialization.set_crc32_options(False) leaves them 0.
	if f.CRC32 != 0 && crc32.ChecksumIEEE(raw) != f.CRC32 {
		return nil, fmt.Errorf("record %s is damaged: its CRC-32 differs", name)
	}
	return raw, nil
}

// decodeStream reads the format before torch 1.6: pickles of a magic number, a version, facts about
// the machine, the checkpoint and the keys of the storages, then the storages, each as a count of 8
// bytes and its elements.
func decodeStream(data []byte, prefer []string) (*File, error) {
	objects := &torchObjects{map[string]*storage{}}
	var pickles [5]any
	rest := data
	for i := range pickles {
		var err error
		if pickles[i], rest, err = unpickle(rest, objects); err != nil {
			return nil, err
		}
		if i == 0 && pickles[0] != any(magic) {
			return nil, errors.New("a Python pickle, but no PyTorch checkpoint: save the state dict by torch.save")
		}
	}
	if machine, ok := pickles[2].(*dict); ok && machine.get("little_endian") == any(false) {
		return nil, errors.New("a checkpoint of a big-endian machine: save it again on a little-endian one")
	}
	keys, ok := pickles[4].(*list)
	if !ok {
		return nil, errors.New("no checkpoint: no list of storages")
	}
	bytesOf := map[string][]byte{}
	for _, key := range keys.items {
		name, _ := key.(string)
		s, ok := objects.storages[name]
		if !ok {
			return nil, errors.New("no checkpoint: it lists a storage that no tensor has")
		}
		if len(rest) < 8 || binary.LittleEndian.Uint64(rest) != uint64(s.count) {
			return nil, fmt.Errorf("storage %s does not begin with its %d elements: the file is damaged or not whole", printable(name), s.count)
		}
		rest = rest[8:]
		width := int64(elements[s.element].width)
		if s.count > int64(len(rest))/width {
			return nil, fmt.Errorf("storage %s reaches beyond the file: the file is damaged or not whole", printable(name))
		}
		bytesOf[name], rest = rest[:s.count*width], rest[s.count*width:]
	}
	return stateDict(pickles[3], prefer, len(data), func(s *storage) ([]byte, error) {
		raw, ok := bytesOf[s.key]
		if !ok {
			return nil, fmt.Errorf("no whole checkpoint: it has no storage %s", printable(s.key))
		}
		return raw, nil
	})
}
