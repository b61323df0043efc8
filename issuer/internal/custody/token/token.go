package token

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"
)

// Errors a caller tells apart. None carries a PIN or a key.
var (
	ErrModule = errors.New("the token's library cannot be used")
	ErrAbsent = errors.New("no such token")
	ErrPIN    = errors.New("the token refuses the PIN")
	ErrNoKey  = errors.New("no such key on the token")
	ErrExists = errors.New("a key of that name is on the token already")
	ErrKey    = errors.New("the token's key cannot be used")
)

// module is one loaded library. C_Initialize and the login belong to the whole process, so all Tokens of a library share it.
type module struct {
	ctx  *pkcs11.Ctx
	path string
	uses int
}

var (
	modulesMu sync.Mutex
	modules   = map[string]*module{}
)

func load(path string) (*module, error) {
	modulesMu.Lock()
	defer modulesMu.Unlock()
	if m := modules[path]; m != nil {
		m.uses++
		return m, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	ctx := pkcs11.New(path)
	if ctx == nil {
		return nil, fmt.Errorf("%w: %s is not a PKCS#11 library of this machine", ErrModule, path)
	}
	if err := ctx.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		ctx.Destroy()
		return nil, fmt.Errorf("%w: %s: %w", ErrModule, path, err)
	}
	m := &module{ctx: ctx, path: path, uses: 1}
	modules[path] = m
	return m, nil
}

func (m *module) unload() {
	modulesMu.Lock()
	defer modulesMu.Unlock()
	if m.uses--; m.uses == 0 {
		delete(modules, m.path)
		_ = m.ctx.Finalize()
		m.ctx.Destroy()
	}
}

// Token is an open token. It is safe for concurrent use; operations run one at a time. A token that was unplugged, or whose connection broke, is logged in to again by
// the next operation.
type Token struct {
	address Address

	mu      sync.Mutex
	m       *module
	session pkcs11.SessionHandle
	open    bool
	refused bool // the PIN was refused: never tried again
	life    int  // counts logins; object handles do not outlive one
}

// Open finds the token and logs in. Errors: ErrModule, ErrAbsent, ErrPIN, and those of reading the PIN file.
func Open(a Address) (*Token, error) {
	m, err := load(a.Module)
	if err != nil {
		return nil, err
	}
	t := &Token{address: a, m: m}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.login(); err != nil {
		m.unload()
		return nil, err
	}
	return t, nil
}

// Address is where the token was found, without a key.
func (t *Token) Address() Address { return t.address.WithObject("") }

// Close ends the session. It may be called twice.
func (t *Token) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		return nil
	}
	if t.open {
		_ = t.m.ctx.CloseSession(t.session)
	}
	t.m.unload()
	t.m, t.open = nil, false
	return nil
}

// String keeps the address short and without paths.
func (t *Token) String() string { return "[token " + t.address.Token + "]" }

func (t *Token) slot() (uint, error) {
	slots, err := t.m.ctx.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrModule, err)
	}
	var found []uint
	for _, s := range slots {
		info, err := t.m.ctx.GetTokenInfo(s)
		if err != nil || info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		if (t.address.Token == "" || strings.TrimRight(info.Label, " \x00") == t.address.Token) &&
			(t.address.Serial == "" || strings.TrimRight(info.SerialNumber, " \x00") == t.address.Serial) {
			if info.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0 {
				return 0, fmt.Errorf("%w: it is locked; the token's security officer must set a new one", ErrPIN)
			}
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("%w: %q is not plugged in or not initialised", ErrAbsent, t.address.Token+t.address.Serial)
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%w: %d tokens fit; add serial= to the URI", ErrAbsent, len(found))
}

func (t *Token) login() error {
	if t.m == nil {
		return fmt.Errorf("%w: the token was closed", ErrAbsent)
	}
	if t.refused {
		return ErrPIN
	}
	slot, err := t.slot()
	if err != nil {
		return err
	}
	pin, err := readPIN(t.address.PINFile)
	if err != nil {
		return err
	}
	session, err := t.m.ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if err := t.m.ctx.Login(session, pkcs11.CKU_USER, pin); err != nil && !is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		_ = t.m.ctx.CloseSession(session)
		if is(err, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_LOCKED) {
			t.refused = true
			return fmt.Errorf("%w: correct the PIN file, then start again; it is not tried twice because tokens lock", ErrPIN)
		}
		return fmt.Errorf("%w: login: %w", ErrAbsent, err)
	}
	t.session, t.open = session, true
	t.life++
	return nil
}

// readPIN reads one line from a file that only its owner can read.
func readPIN(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("PIN file %s is not there", path)
	}
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("PIN file %s has mode %04o: others on this machine may have read it. Change the PIN, then chmod 600", path, info.Mode().Perm())
	}
	if info.Size() > 256 {
		return "", fmt.Errorf("PIN file %s is too large to be one", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	defer clear(b)
	pin := bytes.TrimRight(b, "\r\n")
	if len(pin) == 0 || bytes.ContainsAny(pin, "\r\n\x00") {
		return "", fmt.Errorf("PIN file %s must hold the PIN on one line", path)
	}
	return string(pin), nil
}

// do runs f in the session; when the session was lost it logs in again, once.
func (t *Token) do(f func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		if err := t.login(); err != nil {
			return err
		}
	}
	err := f(t.m.ctx, t.session)
	if !is(err, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_DEVICE_REMOVED,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_DEVICE_ERROR) {
		return err
	}
	_ = t.m.ctx.CloseSession(t.session)
	t.open = false
	if err := t.login(); err != nil {
		return err
	}
	return f(t.m.ctx, t.session)
}

// is says whether err is one of PKCS#11's return values.
func is(err error, codes ...uint) bool {
	var e pkcs11.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if uint(e) == c {
			return true
		}
	}
	return false
}

// find gives the one object of a class and label. ErrNoKey when there is none, ErrKey when there are several.
func find(c *pkcs11.Ctx, s pkcs11.SessionHandle, class uint, label string) (pkcs11.ObjectHandle, error) {
	if err := c.FindObjectsInit(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
	}); err != nil {
		return 0, err
	}
	found, _, err := c.FindObjects(s, 2)
	if err2 := c.FindObjectsFinal(s); err == nil {
		err = err2
	}
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, fmt.Errorf("%w: %q", ErrNoKey, label)
	case len(found) > 1:
		return 0, fmt.Errorf("%w: several are called %q", ErrKey, label)
	}
	return found[0], nil
}

// Destroy removes the key or key pair of that label. What it signed or enciphered cannot be made again.
func (t *Token) Destroy(label string) error {
	return t.do(func(c *pkcs11.Ctx, s pkcs11.SessionHandle) error {
		gone := 0
		for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY, pkcs11.CKO_SECRET_KEY} {
			h, err := find(c, s, class, label)
			if errors.Is(err, ErrNoKey) {
				continue
			}
			if err != nil {
				return err
			}
			if err := c.DestroyObject(s, h); err != nil {
				return fmt.Errorf("%w: %w", ErrKey, err)
			}
			gone++
		}
		if gone == 0 {
			return fmt.Errorf("%w: %q", ErrNoKey, label)
		}
		return nil
	})
}

// unused makes sure that no key has the label: a second one under it could never be told from the first.
func unused(c *pkcs11.Ctx, s pkcs11.SessionHandle, label string) error {
	if label == "" || len(label) > 64 {
		return fmt.Errorf("%w: a key's label is 1–64 bytes", ErrKey)
	}
	for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY, pkcs11.CKO_SECRET_KEY} {
		switch _, err := find(c, s, class, label); {
		case err == nil || errors.Is(err, ErrKey):
			return fmt.Errorf("%w: %q", ErrExists, label)
		case !errors.Is(err, ErrNoKey):
			return err
		}
	}
	return nil
}
