package device

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"xueji/server/registry"

	"golang.org/x/crypto/argon2"
)

// Terms of the offline sign-in.
const (
	// StaffTerm is how long after an online sign-in here a registrar may sign in without the line.
	StaffTerm = 14 * 24 * time.Hour
	// StaffTries wrong passwords lock the offline sign-in of an account for StaffLock.
	StaffTries = 5
	StaffLock  = 15 * time.Minute
	maxStaff   = 64
)

// Errors of the offline sign-in.
var (
	ErrStaffUnknown = errors.New("device: nobody of that name signed in here lately")
	ErrStaffWrong   = errors.New("device: the password does not match")
	ErrStaffLocked  = errors.New("device: too many wrong passwords")
)

// Staff is who may sign in offline.
type Staff struct {
	Account string        `json:"account"`
	Name    string        `json:"name"`
	Unit    registry.Unit `json:"unit"`
	Role    registry.Role `json:"role"`
}

type verifier struct {
	Staff
	Login string    `json:"login"`
	Salt  []byte    `json:"salt"`
	Hash  []byte    `json:"hash"`
	At    time.Time `json:"at"`
	Wrong int       `json:"wrong,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Verifiers keeps argon2id verifiers of staff who signed in here through the server, sealed at rest. It is safe for concurrent use.
type Verifiers struct {
	mu    sync.Mutex
	cache *Cache
	rows  []verifier
}

const staffName = "staff"

// OpenVerifiers reads them from the cache.
func OpenVerifiers(c *Cache) (*Verifiers, error) {
	v := &Verifiers{cache: c}
	_, err := c.Get(staffName, &v.rows)
	return v, err
}

// StaffCard is the name under which a staff card's verifier is kept: a digest, so that the chip serial is not.
func StaffCard(chip []byte) string {
	sum := sha256.Sum256(append([]byte("staff card\x00"), chip...))
	return cardMark + hex.EncodeToString(sum[:])
}

// cardMark begins no login: logins hold no colon.
const cardMark = "card:"

func isCard(login string) bool { return strings.HasPrefix(login, cardMark) }

// hash is argon2id, 32 MiB, 3 passes, 1 lane: about a tenth of a second on a kiosk.
func hash(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, 3, 32<<10, 1, 32)
}

// Learn remembers a successful online sign-in; durable on return.
func (v *Verifiers) Learn(login, password string, s Staff, now time.Time) error {
	salt := make([]byte, 16)
	rand.Read(salt)
	row := verifier{Staff: s, Login: login, Salt: salt, Hash: hash(password, salt), At: now}
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := []verifier{row}
	for _, r := range v.rows {
		if r.Login != login && (r.Account != s.Account || isCard(r.Login) != isCard(login)) && now.Sub(r.At) < StaffTerm && len(rows) < maxStaff {
			rows = append(rows, r)
		}
	}
	v.rows = rows
	return v.cache.Put(staffName, v.rows)
}

// Forget drops a login whose cached password the server has just refused: it was changed, and the old one must not outlive the change.
func (v *Verifiers) Forget(login string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	kept := v.rows[:0:0]
	for _, r := range v.rows {
		if r.Login != login {
			kept = append(kept, r)
		}
	}
	if len(kept) == len(v.rows) {
		return nil
	}
	v.rows = kept
	return v.cache.Put(staffName, v.rows)
}

// Check judges a sign-in without the line. Errors: ErrStaffUnknown (also after StaffTerm), ErrStaffWrong, ErrStaffLocked. Wrong tries are durable.
func (v *Verifiers) Check(_ context.Context, login, password string, now time.Time) (Staff, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.rows {
		r := &v.rows[i]
		if r.Login != login {
			continue
		}
		// A clock set back does not make a verifier younger than it is.
		if age := now.Sub(r.At); age >= StaffTerm || age < -time.Hour {
			return Staff{}, ErrStaffUnknown
		}
		if now.Before(r.Until) {
			return Staff{}, ErrStaffLocked
		}
		if subtle.ConstantTimeCompare(hash(password, r.Salt), r.Hash) == 1 {
			if r.Wrong != 0 {
				r.Wrong = 0
				if err := v.cache.Put(staffName, v.rows); err != nil {
					return Staff{}, err
				}
			}
			return r.Staff, nil
		}
		if r.Wrong++; r.Wrong >= StaffTries {
			r.Wrong, r.Until = 0, now.Add(StaffLock)
		}
		if err := v.cache.Put(staffName, v.rows); err != nil {
			return Staff{}, err
		}
		return Staff{}, ErrStaffWrong
	}
	return Staff{}, ErrStaffUnknown
}
