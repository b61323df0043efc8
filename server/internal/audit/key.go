package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"xueji/server/vault"
)

// Signer signs this register's checkpoints, and cosigns those of others. It never prints.
type Signer struct {
	name string
	key  ed25519.PrivateKey
}

func (*Signer) String() string   { return "[audit key]" }
func (*Signer) GoString() string { return "[audit key]" }

// keyFile and lastFile stand in the key folder: the seed with the log's name, and the last checkpoint that was signed with it.
const (
	keyFile  = "audit.key"
	lastFile = "audit.checkpoint"
)

// LoadSigner reads dir/audit.key, making it (mode 0600, synced) when it is not there. name is the log's name when it is made ("" draws one); a key once made keeps
// its name. A file that others may read is refused.
func LoadSigner(dir, name string) (*Signer, error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var seed [32]byte
		rand.Read(seed[:])
		if name == "" {
			sum := sha256.Sum256(ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
			name = "xueji.register/" + hex.EncodeToString(sum[:5])
		}
		s, err := NewSigner(name, seed[:])
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // another process was first
			return LoadSigner(dir, name)
		}
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintf(f, "%s %s\n", name, base64.StdEncoding.EncodeToString(seed[:]))
		return s, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if err := vault.Private(path, st.Mode()); err != nil {
		return nil, err
	}
	stored, seed64, ok := strings.Cut(strings.TrimSpace(string(b)), " ")
	seed, err := base64.StdEncoding.DecodeString(seed64)
	if !ok || err != nil {
		return nil, fmt.Errorf("%s is damaged: put the backup of this file back", path)
	}
	return NewSigner(stored, seed)
}

// NewSigner makes a signer of a seed of 32 bytes.
func NewSigner(name string, seed []byte) (*Signer, error) {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") {
		return nil, fmt.Errorf("audit: %q cannot name a log: no blanks, no +", name)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("audit: the key is not 32 bytes")
	}
	return &Signer{name: name, key: ed25519.NewKeyFromSeed(seed)}, nil
}

// Name is the log's name (its origin).
func (s *Signer) Name() string { return s.name }

func (s *Signer) public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// LogKey is the verifier key of this register's checkpoints; WitnessKey that of its cosignatures (C2SP signed-note: name+hash+key).
func (s *Signer) LogKey() string     { return vkey(s.name, algEd25519, s.public()) }
func (s *Signer) WitnessKey() string { return vkey(s.name, algCosignature, s.public()) }

// Signature types of C2SP signed-note.
const (
	algEd25519     = 0x01
	algCosignature = 0x04
)

func vkey(name string, alg byte, pub ed25519.PublicKey) string {
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, alg, pub), base64.StdEncoding.EncodeToString(append([]byte{alg}, pub...)))
}

func keyHash(name string, alg byte, pub ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', alg})
	h.Write(pub)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// verifier checks signatures of either type.
type verifier struct {
	name string
	alg  byte
	hash uint32
	key  ed25519.PublicKey
}

// ParseKey reads a verifier key of a log or of a witness.
func ParseKey(text string) (note.Verifier, error) {
	bad := errors.New("audit: not a verifier key (name+hash+base64)")
	name, rest, ok := strings.Cut(strings.TrimSpace(text), "+")
	hash, key64, ok2 := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(key64)
	if !ok || !ok2 || err != nil || len(key) != 1+ed25519.PublicKeySize || name == "" {
		return nil, bad
	}
	v := verifier{name: name, alg: key[0], key: ed25519.PublicKey(key[1:])}
	v.hash = keyHash(name, v.alg, v.key)
	if hash != fmt.Sprintf("%08x", v.hash) || v.alg != algEd25519 && v.alg != algCosignature {
		return nil, bad
	}
	return v, nil
}

// IsWitness reports whether a verifier is of cosignatures.
func IsWitness(v note.Verifier) bool { w, ok := v.(verifier); return ok && w.alg == algCosignature }

func (v verifier) Name() string    { return v.name }
func (v verifier) KeyHash() uint32 { return v.hash }

func (v verifier) Verify(msg, sig []byte) bool {
	if v.alg == algEd25519 {
		return ed25519.Verify(v.key, msg, sig)
	}
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	return ed25519.Verify(v.key, cosigned(binary.BigEndian.Uint64(sig), msg), sig[8:])
}

// cosigned is what a cosignature signs: the witness saw this checkpoint, and no other history, at a time (seconds since 1970).
func cosigned(at uint64, msg []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), msg...)
}

type logSigner struct{ *Signer }

func (s logSigner) Name() string    { return s.name }
func (s logSigner) KeyHash() uint32 { return keyHash(s.name, algEd25519, s.public()) }
func (s logSigner) Sign(msg []byte) ([]byte, error) {
	return ed25519.Sign(s.key, msg), nil
}

type witnessSigner struct {
	*Signer
	at time.Time
}

func (s witnessSigner) Name() string    { return s.name }
func (s witnessSigner) KeyHash() uint32 { return keyHash(s.name, algCosignature, s.public()) }
func (s witnessSigner) Sign(msg []byte) ([]byte, error) {
	at := uint64(s.at.Unix())
	return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(s.key, cosigned(at, msg))...), nil
}

// Checkpoint signs a tree: a note of C2SP tlog-checkpoint.
func (s *Signer) Checkpoint(tree tlog.Tree) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", s.name, tree.N, tree.Hash)
	return note.Sign(&note.Note{Text: text}, logSigner{s})
}

// Cosign adds this office's cosignature to another log's checkpoint. The caller has judged it (Judge).
func (s *Signer) Cosign(n *note.Note, at time.Time) ([]byte, error) {
	return note.Sign(n, witnessSigner{s, at})
}

// Checkpoint is a signed tree of a log.
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
	Note   *note.Note
	// Witnesses are the names of known cosigners whose signatures are good.
	Witnesses []string
}

// maxNote bounds a checkpoint from outside, in bytes.
const maxNote = 64 << 10

// OpenCheckpoint reads a checkpoint and holds its log's signature. Good cosignatures of known witnesses are named; unknown ones are kept.
func OpenCheckpoint(msg []byte, log note.Verifier, witnesses ...note.Verifier) (Checkpoint, error) {
	if len(msg) > maxNote {
		return Checkpoint{}, errors.New("audit: a checkpoint larger than any")
	}
	n, err := note.Open(msg, note.VerifierList(append([]note.Verifier{log}, witnesses...)...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: checkpoint: %w", err)
	}
	c := Checkpoint{Note: n}
	signed := false
	for _, sig := range n.Sigs {
		if sig.Name == log.Name() && sig.Hash == log.KeyHash() {
			signed = true
			continue
		}
		c.Witnesses = append(c.Witnesses, sig.Name)
	}
	if !signed {
		return Checkpoint{}, errors.New("audit: the checkpoint is not signed by its log")
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != log.Name() {
		return Checkpoint{}, errors.New("audit: the checkpoint is another log's")
	}
	c.Origin = lines[0]
	if _, err := fmt.Sscanf(lines[1], "%d", &c.Tree.N); err != nil || c.Tree.N < 0 || fmt.Sprint(c.Tree.N) != lines[1] {
		return Checkpoint{}, errors.New("audit: the checkpoint's size is no number")
	}
	if c.Tree.Hash, err = tlog.ParseHash(lines[2]); err != nil || c.Tree.Hash.String() != lines[2] {
		return Checkpoint{}, errors.New("audit: the checkpoint's hash is none")
	}
	return c, nil
}

// Merge adds the signatures of one note to another of the same text.
func Merge(a, b *note.Note) []byte {
	n := &note.Note{Text: a.Text, Sigs: append([]note.Signature{}, a.Sigs...), UnverifiedSigs: append([]note.Signature{}, a.UnverifiedSigs...)}
	have := func(s note.Signature) bool {
		for _, x := range append(append([]note.Signature{}, n.Sigs...), n.UnverifiedSigs...) {
			if x.Name == s.Name && x.Hash == s.Hash {
				return true
			}
		}
		return false
	}
	for _, s := range append(append([]note.Signature{}, b.Sigs...), b.UnverifiedSigs...) {
		if !have(s) {
			n.Sigs = append(n.Sigs, s)
		}
	}
	out, err := note.Sign(n)
	if err != nil {
		return nil
	}
	return out
}

// KeepLast writes the newest checkpoint beside the key, where no database password reaches: whole or not at all, synced.
func KeepLast(dir string, msg []byte) error { return keep(filepath.Join(dir, lastFile), msg) }

// Last reads it; nil when there is none.
func Last(dir string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, lastFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func keep(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
