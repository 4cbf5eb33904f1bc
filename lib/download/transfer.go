package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// trickle is how many bytes a server must send while the patience with it lasts.
const trickle = 4 << 10

// So often a connection that broke in the midst of the body is taken up again by itself.
const attempts = 5

var (
	// errCutOff marks a body that ended before its time.
	errCutOff = errors.New("cut off")
	// errNoResume marks a server that has nothing that continues the part.
	errNoResume = errors.New("the server cannot resume")
)

// transfer is a download under way. Its Size is 0 until it is known.
type transfer struct {
	File
	part     string
	progress *progress
}

// complete makes part the whole, verified file.
func (t *transfer) complete(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if t.Size == 0 && t.presentAt(t.part) {
			return nil
		}
		have := fileSize(t.part)
		if t.Size > 0 && have > t.Size {
			// Nothing that could become the file.
			if err := os.Remove(t.part); err != nil {
				return err
			}
			have = 0
		}
		if t.Size == 0 || have < t.Size {
			err := t.fetch(ctx, have)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if attempt < attempts {
				if errors.Is(err, errCutOff) && fileSize(t.part) > have {
					continue
				}
				if errors.Is(err, errNoResume) && os.Remove(t.part) == nil {
					continue
				}
			}
			if err != nil {
				return err
			}
		}
		got, err := checksum(t.part)
		if err != nil {
			return err
		}
		if strings.HasPrefix(got, t.SHA256) {
			return nil
		}
		if err := os.Remove(t.part); err != nil {
			return err
		}
		// Begun by an earlier call, it may have been damaged meanwhile: once more from the start.
		if have == 0 || attempt >= attempts {
			return fmt.Errorf("its SHA-256 is \"%s\", not \"%s\": the server has another file", got, t.SHA256)
		}
	}
}

// fetch asks for what is missing of the file after its first have bytes, and appends it to part; a
// server that knows no ranges sends, and part gets, the whole.
func (t *transfer) fetch(ctx context.Context, have int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var arrived atomic.Int64 // since the server was last found to be in good health
	stall := time.AfterFunc(t.Patience, func() {
		if n := arrived.Load(); n > 0 {
			cancel(fmt.Errorf("%w: the server sent only %d bytes in %v", errCutOff, n, t.Patience))
			return
		}
		cancel(fmt.Errorf("%w: the server sent nothing for %v", errCutOff, t.Patience))
	})
	defer stall.Stop()

	response, err := t.ask(ctx, have)
	if err != nil {
		return causeOr(ctx, err)
	}
	defer response.Body.Close()
	have, err = t.accept(response, have)
	if err != nil {
		return err
	}

	mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if have == 0 {
		mode |= os.O_TRUNC
	}
	file, err := os.OpenFile(t.part, mode, 0o644)
	if err != nil {
		return err
	}
	t.progress.at(have, t.Size)
	// One byte more than due is enough to see that a body has no end.
	body := io.TeeReader(io.LimitReader(response.Body, t.Size-have+1), writerFunc(func(p []byte) {
		// A byte now and then is no download.
		if arrived.Add(int64(len(p))) >= trickle {
			arrived.Store(0)
			stall.Reset(t.Patience)
		}
		t.progress.add(len(p))
	}))
	n, err := io.Copy(file, body)
	if closeErr := file.Close(); err == nil && closeErr != nil {
		return closeErr
	}
	var pathErr *os.PathError
	switch {
	case errors.As(err, &pathErr):
		return err // of the disk
	case have+n > t.Size:
		// The part is now too long to be taken up again.
		return fmt.Errorf("the server sends more than %d bytes: it has another file", t.Size)
	case have+n < t.Size:
		return causeOr(ctx, fmt.Errorf("%w at byte %d of %d, which are kept: try again to resume", errCutOff, have+n, t.Size))
	}
	return nil
}

// ask requests what follows the first have bytes.
func (t *transfer) ask(ctx context.Context, have int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return nil, err
	}
	// Else net/http would unpack what a server declares as gzip encoded.
	request.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	response, err := http.DefaultClient.Do(request)
	// The address is named by To.
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return response, err
}

// accept returns the place from which on a response has the file, 0 or have. It learns the size where
// that is not known.
func (t *transfer) accept(response *http.Response, have int64) (int64, error) {
	switch response.StatusCode {
	case http.StatusOK:
		length := response.ContentLength
		switch {
		case t.Size == 0 && length <= 0:
			return 0, errors.New("the server does not say how long it is, and the size is not known beforehand")
		case t.Size == 0:
			t.Size = length
		case length >= 0 && length != t.Size:
			return 0, fmt.Errorf("the server offers %d bytes, not %d: it has another file", length, t.Size)
		}
		return 0, nil
	case http.StatusPartialContent:
		size, got := t.Size, response.Header.Get("Content-Range")
		if size == 0 {
			size = have + max(response.ContentLength, 0)
		}
		if want := fmt.Sprintf("bytes %d-%d/%d", have, size-1, size); got != want {
			return 0, fmt.Errorf("%w: it sends %q, not %q", errNoResume, got, want)
		}
		t.Size = size
		return have, nil
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, fmt.Errorf("%w at byte %d of %d", errNoResume, have, t.Size)
	}
	return 0, fmt.Errorf("the server answers %q", strings.TrimSpace(response.Status))
}

// causeOr returns why ctx was cancelled, if it was, else err.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// writerFunc is an io.Writer that looks at what goes by.
type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
