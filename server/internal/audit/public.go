package audit

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Public is what a log shows to anyone: sizes, hashes and signatures.
type Public struct {
	Store interface {
		Store
		PutCheckpoint(ctx context.Context, size int64, at time.Time, note []byte) error
		Checkpoint(ctx context.Context, size int64) ([]byte, error)
	}
	Signer    *Signer
	Witnesses []note.Verifier // pinned: whose cosignatures are kept
}

// ErrNone is a log without entries yet, or a tree it never had.
var ErrNone = errors.New("audit: there is no such checkpoint")

// Newest is the newest checkpoint with the cosignatures it has.
func (p *Public) Newest(ctx context.Context) ([]byte, error) {
	h, err := p.Store.AuditHead(ctx)
	if err == nil && h.Checkpoint == nil {
		err = ErrNone
	}
	return h.Checkpoint, err
}

// Proof proves that the log of old entries is a prefix of the one of size entries.
func (p *Public) Proof(ctx context.Context, old, size int64) ([]byte, error) {
	h, err := p.Store.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	if old < 0 || old > size || size > h.Size || h.Checkpoint == nil {
		return nil, ErrNone
	}
	log, err := ParseKey(p.Signer.LogKey())
	if err != nil {
		return nil, err
	}
	c, err := OpenCheckpoint(h.Checkpoint, log)
	if err != nil {
		return nil, err
	}
	read := func(level int, n int64) ([]byte, error) { return p.Store.AuditTile(ctx, level, n) }
	tree := c.Tree
	if size < tree.N { // an older tree's hash follows from the newest one's tiles
		if tree, err = Prefix(tree, size, read); err != nil {
			return nil, err
		}
	}
	proof, err := Consistency(old, tree, read)
	return FormatProof(proof), err
}

// Cosigned takes a cosignature in.
func (p *Public) Cosigned(ctx context.Context, msg []byte) error {
	log, err := ParseKey(p.Signer.LogKey())
	if err != nil {
		return err
	}
	return AddCosignature(ctx, p.Store, log, p.Witnesses, msg, time.Now())
}

// Keys are the log's verifier key and its key as a witness, a line each.
func (p *Public) Keys() string { return p.Signer.LogKey() + "\n" + p.Signer.WitnessKey() + "\n" }
