package custody

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	profiles "xueji/firmware-profiles"

	"xueji/cardsvc/securemsg"
	"xueji/issuer/internal/custody/token"
)

// KeyUse says which of a chip's keys is meant.
type KeyUse struct {
	Profile     string
	Cipher      string // 3des, aes, sm4
	Purpose     string // the key's name in the profile
	Diversifier []byte // the profile's, of this chip: public
	Generation  int    // of the master keys; 0 is the newest
}

// MasterKeys derives the secret keys of chips. The master keys themselves never come out: a folder keeps them, or a token.
type MasterKeys interface {
	Derive(u KeyUse) (securemsg.Secret, error)
	// Reader is the key of a profile that readers get: of it the keys `read` of all its chips are derived, and none that writes or proves.
	Reader(profile, cipher string) (securemsg.Secret, error)
	// Newest is the generation that chips are to have, 1 and more.
	Newest() int
}

// ErrGeneration says that a generation of card master keys is not in the folder.
var ErrGeneration = errors.New("custody: card master keys of a generation that is not here")

// FileMasters keeps the first generation of card master keys, in the issuer's folder.
const FileMasters = "card-master.key"

// FileReaders keeps the reader master keys, of which the keys `read` of chips are derived. They have no generations: what a reader has, a thief has for good.
const FileReaders = "reader-master.key"

const pemReaders = "XUEJI READER MASTER KEYS"

// fileMastersN keeps a later one.
const fileMastersN = "card-master-%04d.key"

const pemMasters = "XUEJI CARD MASTER KEYS"

// masterSize is the length of a master key, bytes; the file holds one for each cipher, in the order of masterCiphers.
const masterSize = 16

var masterCiphers = []securemsg.Cipher{securemsg.DES3, securemsg.AES, securemsg.SM4}

// Master is one master key: in memory, or inside a token (token.Master), which does the same step.
type Master interface {
	// Diversify is securemsg.Diversify under this key.
	Diversify(input []byte) (securemsg.Secret, error)
}

type held struct {
	cipher securemsg.Cipher
	key    securemsg.Secret
}

func (h held) Diversify(input []byte) (securemsg.Secret, error) {
	return securemsg.Diversify(h.cipher, h.key, input)
}

// Masters are master keys by generation and cipher, and the readers'. They never print.
type Masters struct {
	keys    map[int]map[securemsg.Cipher]Master
	readers map[securemsg.Cipher]Master
	newest  int
	tokens  []*token.Token
}

var _ MasterKeys = (*Masters)(nil)

// masterGen is a generation of card master keys in the manifest.
type masterGen struct {
	N int `json:"n"`
	// Tokens are the keys that lie in a token: cipher → PKCS#11 URI. The others are in the generation's file.
	Tokens map[securemsg.Cipher]string `json:"tokens,omitempty"`
}

func (g masterGen) file() string {
	if g.N == 1 {
		return FileMasters
	}
	return fmt.Sprintf(fileMastersN, g.N)
}

// generations are those that the folder keeps, ascending; before the second was begun the manifest names none.
func (m *manifest) generations() []masterGen {
	if len(m.MasterGens) == 0 {
		return []masterGen{{N: 1, Tokens: m.Masters}}
	}
	return m.MasterGens
}

// OpenMasters reads the card master keys of an issuer's folder, all generations that it keeps, and the reader master keys. A folder that never had any gets fresh ones, durable on return: no card can
// depend on them yet. Later a missing file is found out by the chips, which refuse other keys.
func OpenMasters(dir string) (*Masters, error) {
	folder, err := readManifest(dir)
	if err != nil && !errors.Is(err, ErrNotIssuer) {
		return nil, err
	}
	m := &Masters{keys: map[int]map[securemsg.Cipher]Master{}}
	for _, g := range folder.generations() {
		if m.keys[g.N], err = m.open(dir, g.file(), pemMasters, g.N == 1, g.Tokens); err != nil {
			m.Close()
			return nil, err
		}
		m.newest = max(m.newest, g.N)
	}
	if m.readers, err = m.open(dir, FileReaders, pemReaders, true, folder.Readers); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// open reads one file of master keys, which is made when it is the first and not there; keys that the folder says lie in a token take the place of the file's.
func (m *Masters) open(dir, file, kind string, first bool, tokens map[securemsg.Cipher]string) (map[securemsg.Cipher]Master, error) {
	if _, err := os.Lstat(filepath.Join(dir, file)); errors.Is(err, fs.ErrNotExist) && first {
		if err := initMasters(dir, file, kind); err != nil && !errors.Is(err, ErrExists) {
			return nil, err
		}
	}
	block, err := readSecret(dir, file, kind)
	if err != nil {
		return nil, err
	}
	defer clear(block.Bytes)
	if len(block.Bytes) != masterSize*len(masterCiphers) {
		return nil, fmt.Errorf("%s: %d bytes are not %d master keys", file, len(block.Bytes), len(masterCiphers))
	}
	keys := map[securemsg.Cipher]Master{}
	for i, c := range masterCiphers {
		keys[c] = held{c, securemsg.NewSecret(block.Bytes[i*masterSize : (i+1)*masterSize])}
	}
	for c, uri := range tokens {
		a, err := token.Parse(uri)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fileManifest, err)
		}
		t, err := m.token(a)
		if err != nil {
			return nil, err
		}
		key, err := t.Master(a.Object)
		if err != nil {
			return nil, err
		}
		if key.Cipher() != c {
			return nil, fmt.Errorf("%s: the master key %q is of %s, not %s", fileManifest, a.Object, key.Cipher(), c)
		}
		keys[c] = key
	}
	return keys, nil
}

// token logs in to a token once.
func (m *Masters) token(a token.Address) (*token.Token, error) {
	for _, t := range m.tokens {
		if t.Address() == a.WithObject("") {
			return t, nil
		}
	}
	t, err := token.Open(a)
	if err == nil {
		m.tokens = append(m.tokens, t)
	}
	return t, err
}

// Close logs out of the tokens. Keys of the files stay usable.
func (m *Masters) Close() {
	for _, t := range m.tokens {
		_ = t.Close()
	}
}

// Newest is the generation that chips are to have.
func (m *Masters) Newest() int { return m.newest }

// NextMasters draws the next generation of card master keys, in a file of the folder. From the issuer's next start new chips get keys of it, and others at their next write.
// Durable on return. It gives the generation.
func (f *Folder) NextMasters() (int, error) {
	first, err := OpenMasters(f.dir) // makes the first, when there is none yet
	if err != nil {
		return 0, err
	}
	first.Close()
	gens := slices.Clone(f.m.generations())
	next := masterGen{N: gens[len(gens)-1].N + 1}
	if err := os.Remove(filepath.Join(f.dir, next.file())); err != nil && !errors.Is(err, fs.ErrNotExist) { // one left by an act that was cut off is on no chip
		return 0, err
	}
	if err := initMasters(f.dir, next.file(), pemMasters); err != nil {
		return 0, err
	}
	f.m.MasterGens, f.m.Masters = append(gens, next), nil
	return next.N, f.save()
}

// Generations of card master keys that the folder keeps, ascending.
func (f *Folder) Generations() []int {
	var out []int
	for _, g := range f.m.generations() {
		out = append(out, g.N)
	}
	return out
}

// RetireMasters destroys a generation of card master keys that is not the newest: chips whose keys are of it can be neither proven nor written any more. Durable on return.
func (f *Folder) RetireMasters(n int) error {
	gens := slices.Clone(f.m.generations())
	at := slices.IndexFunc(gens, func(g masterGen) bool { return g.N == n })
	switch {
	case at < 0:
		return fmt.Errorf("no generation %d of card master keys here", n)
	case at == len(gens)-1:
		return fmt.Errorf("generation %d is the newest: begin the next one first (`issuer ceremony masters --next`)", n)
	}
	gone := gens[at]
	f.m.MasterGens, f.m.Masters = slices.Delete(gens, at, at+1), nil
	err := f.destroy(entry{Key: gone.file()})
	for _, uri := range gone.Tokens {
		err = errors.Join(err, f.destroy(entry{Key: uri}))
	}
	return err
}

// MoveMasters brings the card and reader master keys that a token can hold (3DES and AES), of every generation that has none there, from the folder's files into the token at uri, for
// good, and returns their ciphers. Cards made before go on working: the keys are the same. In the files their places are overwritten once the token has them; what copies of
// the files there are must be destroyed too.
func (f *Folder) MoveMasters(uri string) ([]securemsg.Cipher, error) {
	a, err := token.Parse(uri)
	if err != nil {
		return nil, err
	}
	inFile, err := OpenMasters(f.dir) // makes them, when there are none yet
	if err != nil {
		return nil, err
	}
	defer inFile.Close()
	gens := slices.Clone(f.m.generations())
	if len(f.m.Readers) > 0 && !slices.ContainsFunc(gens, func(g masterGen) bool { return len(g.Tokens) == 0 }) {
		return nil, fmt.Errorf("%w: the card master keys are in a token already", ErrExists)
	}
	t, err := inFile.token(a)
	if err != nil {
		return nil, err
	}
	moved := []securemsg.Cipher{securemsg.DES3, securemsg.AES}
	for i, g := range gens {
		if len(g.Tokens) > 0 {
			continue
		}
		suffix := ""
		if g.N > 1 {
			suffix = fmt.Sprintf("-%d", g.N)
		}
		if gens[i].Tokens, err = f.move(t, a, "card-master", suffix, inFile.keys[g.N], moved); err != nil {
			return nil, err
		}
		f.m.MasterGens, f.m.Masters = gens, nil
		if err := f.save(); err != nil {
			return nil, err
		}
		if err := f.wipeMasters(g.file(), pemMasters, moved); err != nil {
			return nil, err
		}
	}
	if len(f.m.Readers) > 0 {
		return moved, nil
	}
	if f.m.Readers, err = f.move(t, a, "reader-master", "", inFile.readers, moved); err != nil {
		return nil, err
	}
	if err := f.save(); err != nil {
		return nil, err
	}
	return moved, f.wipeMasters(FileReaders, pemReaders, moved)
}

// move brings one file's keys into the token.
func (f *Folder) move(t *token.Token, a token.Address, what, suffix string, keys map[securemsg.Cipher]Master, moved []securemsg.Cipher) (map[securemsg.Cipher]string, error) {
	next := map[securemsg.Cipher]string{}
	for _, c := range moved {
		at := a.WithObject(fmt.Sprintf("xueji-%s-%s-%s%s", f.m.Authority, what, c, suffix))
		file, ok := keys[c].(held)
		if !ok {
			return nil, fmt.Errorf("custody: the %s key of %s is not in the file", c, what)
		}
		key, err := t.ImportMaster(at.Object, c, file.key)
		if errors.Is(err, token.ErrExists) { // a move that was cut off: it must be the same key
			key, err = t.Master(at.Object)
		}
		if err != nil {
			return nil, err
		}
		mine, err := file.Diversify([]byte{1})
		if err != nil {
			return nil, err
		}
		if theirs, err := key.Diversify([]byte{1}); err != nil || !theirs.Equal(mine) {
			return nil, fmt.Errorf("the key %q on the token is another one: %w", at.Object, errors.Join(token.ErrExists, err))
		}
		next[c] = at.String()
	}
	return next, nil
}

// wipeMasters overwrites keys in a file of master keys, in place.
func (f *Folder) wipeMasters(name, kind string, moved []securemsg.Cipher) error {
	block, err := readSecret(f.dir, name, kind)
	if err != nil {
		return err
	}
	defer clear(block.Bytes)
	for i, c := range masterCiphers {
		if slices.Contains(moved, c) {
			clear(block.Bytes[i*masterSize : (i+1)*masterSize])
		}
	}
	b := pem.EncodeToMemory(block)
	defer clear(b)
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(b, 0) // as long as before
	if err == nil {
		err = file.Sync()
	}
	if err2 := file.Close(); err == nil {
		err = err2
	}
	return err
}

func initMasters(dir, name, kind string) error {
	b := make([]byte, masterSize*len(masterCiphers))
	defer clear(b)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	file := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
	defer clear(file)
	return create(dir, name, file, 0o600)
}

// Derive makes a chip's key in two steps of securemsg.Diversify: the master's key of profile and purpose, then, of that, the chip's. So a key that a profile wants
// nowhere else is no other profile's.
func (m *Masters) Derive(u KeyUse) (securemsg.Secret, error) {
	c, gen := securemsg.Cipher(u.Cipher), u.Generation
	if u.Purpose == profiles.ReadKey {
		own, err := m.Reader(u.Profile, u.Cipher)
		if err != nil {
			return securemsg.Secret{}, err
		}
		return securemsg.Diversify(c, own, u.Diversifier)
	}
	if gen == 0 {
		gen = m.newest
	}
	if m.keys[gen] == nil {
		return securemsg.Secret{}, fmt.Errorf("%w: generation %d: bring it back from a copy of the folder, or make the pupil another card", ErrGeneration, gen)
	}
	master, ok := m.keys[gen][c]
	if !ok {
		return securemsg.Secret{}, fmt.Errorf("custody: no card master key for cipher %q", u.Cipher)
	}
	own, err := master.Diversify(PurposeInput(u))
	if err != nil {
		return securemsg.Secret{}, err
	}
	return securemsg.Diversify(c, own, u.Diversifier)
}

// Reader is the first step for the key `read`, of the reader master.
func (m *Masters) Reader(profile, cipher string) (securemsg.Secret, error) {
	master, ok := m.readers[securemsg.Cipher(cipher)]
	if !ok {
		return securemsg.Secret{}, fmt.Errorf("custody: no reader master key for cipher %q", cipher)
	}
	return master.Diversify(PurposeInput(KeyUse{Profile: profile, Purpose: profiles.ReadKey}))
}

// PurposeInput is what the first step diversifies by: the first 15 bytes of SHA-256 over profile, 00 and purpose, which fit every cipher.
func PurposeInput(u KeyUse) []byte {
	h := sha256.Sum256([]byte(u.Profile + "\x00" + u.Purpose))
	return h[:15]
}

// String keeps keys off screens.
func (*Masters) String() string { return "[card master keys]" }

// GoString keeps keys off screens.
func (m *Masters) GoString() string { return m.String() }

// Format keeps keys off screens, whatever the verb.
func (m *Masters) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue keeps keys out of logs.
func (m *Masters) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText keeps keys out of encodings.
func (m *Masters) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
