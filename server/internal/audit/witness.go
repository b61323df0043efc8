package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"xueji/server/api"
)

// Paths of a log on its register's public address. They show sizes and hashes, nothing of any entry.
const (
	PathCheckpoint = "/audit/checkpoint" // the newest, with the cosignatures it has
	PathProof      = "/audit/proof"      // ?old=N&new=M: consistency, one base64 hash a line
	PathCosign     = "/audit/cosign"     // POST: a checkpoint with a cosignature of a pinned witness
	PathKey        = "/audit/key"        // the log's verifier key and, on the second line, its key as a witness
)

// ErrFork is a log that does not continue what this office signed before. Somebody has rewritten or rolled back a register: do not sign, telephone.
var ErrFork = errors.New("the log does not continue what was cosigned before")

// Witness cosigns other registers' checkpoints, each only when it continues the last one it signed. What it signed stands in its folder, written before the
// signature leaves.
type Witness struct {
	Signer *Signer
	Dir    string // of what was signed, one file a log
	HTTP   *http.Client
	Now    func() time.Time
}

func (w *Witness) state(origin string) string {
	return filepath.Join(w.Dir, base64.RawURLEncoding.EncodeToString([]byte(origin))+".checkpoint")
}

// Signed is the last checkpoint of a log that this office signed; a zero one when none.
func (w *Witness) Signed(log note.Verifier) (Checkpoint, []byte, error) {
	b, err := os.ReadFile(w.state(log.Name()))
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, nil, nil
	}
	if err != nil {
		return Checkpoint{}, nil, err
	}
	c, err := OpenCheckpoint(b, log)
	return c, b, err
}

// Judge signs a checkpoint when proof shows that it continues the last one signed. ErrFork otherwise, and nothing is signed or kept.
func (w *Witness) Judge(log note.Verifier, msg []byte, proof tlog.TreeProof) ([]byte, error) {
	c, err := OpenCheckpoint(msg, log)
	if err != nil {
		return nil, err
	}
	last, _, err := w.Signed(log)
	if err != nil {
		return nil, err
	}
	if err := CheckConsistency(proof, c.Tree, last.Tree); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFork, c.Origin, err)
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	signed, err := w.Signer.Cosign(c.Note, now())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return nil, err
	}
	return signed, keep(w.state(c.Origin), signed)
}

// Visit fetches a register's checkpoint and proof, cosigns it and hands the cosignature back. base is the register's public address. It returns the cosigned
// checkpoint.
func (w *Witness) Visit(ctx context.Context, base string, log note.Verifier) ([]byte, error) {
	base = strings.TrimRight(base, "/")
	msg, err := w.get(ctx, base+PathCheckpoint)
	if err != nil {
		return nil, err
	}
	c, err := OpenCheckpoint(msg, log)
	if err != nil {
		return nil, err
	}
	last, _, err := w.Signed(log)
	if err != nil {
		return nil, err
	}
	var proof tlog.TreeProof
	if last.Tree.N > 0 && last.Tree.N < c.Tree.N {
		b, err := w.get(ctx, fmt.Sprintf("%s%s?old=%d&new=%d", base, PathProof, last.Tree.N, c.Tree.N))
		if err != nil {
			return nil, err
		}
		if proof, err = ParseProof(b); err != nil {
			return nil, err
		}
	}
	signed, err := w.Judge(log, msg, proof)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+PathCosign, strings.NewReader(string(signed)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	_, err = w.do(req)
	return signed, err
}

func (w *Witness) get(ctx context.Context, at string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	return w.do(req)
}

func (w *Witness) do(req *http.Request) ([]byte, error) {
	client := w.HTTP
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: api.Stay}
	}
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			return nil, fmt.Errorf("%s: %w", req.URL.Host, u.Err)
		}
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxNote))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s answered %s", req.URL, res.Status)
	}
	return b, nil
}

// FormatProof writes a proof, one hash a line.
func FormatProof(p tlog.TreeProof) []byte {
	var b strings.Builder
	for _, h := range p {
		b.WriteString(h.String() + "\n")
	}
	return []byte(b.String())
}

// ParseProof reads a proof; longer ones than any tree has are refused.
func ParseProof(b []byte) (tlog.TreeProof, error) {
	var out tlog.TreeProof
	for _, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		if line == "" && len(b) <= 1 {
			break
		}
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line || len(out) == 128 {
			return nil, errors.New("audit: not a proof")
		}
		out = append(out, h)
	}
	return out, nil
}
