package download_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"tokenfuse/lib/download"
)

// PyTorch names a checkpoint by the first eight digits of its SHA-256.
func ExampleFile_To() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "weights, as it were")
	}))
	defer server.Close()
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder) // a program takes download.Cache("weights")

	file := download.File{URL: server.URL + "/deit_small_patch16_224-3643f0d1.pth", SHA256: "3643f0d1"}
	path := filepath.Join(folder, "deit_small_patch16_224.pth")
	if err := file.To(context.Background(), path, os.Stdout); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(path)
	fmt.Println(string(content), err)
	// Output:
	// downloading deit_small_patch16_224.pth: 0.0 kB
	// weights, as it were <nil>
}
