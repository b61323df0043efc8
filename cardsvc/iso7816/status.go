package iso7816

import (
	"errors"
	"fmt"
)

// Meanings of status words. A StatusWord unwraps to one of them, so callers write errors.Is(err, iso7816.ErrNotFound) and still print the number.
var (
	ErrWarning      = errors.New("the card warns")                        // 62xx, 63xx: done, but
	ErrCorrupted    = errors.New("the file may be damaged")               // 6281
	ErrEndOfFile    = errors.New("the file ended before the answer")      // 6282
	ErrWrongSecret  = errors.New("wrong PIN, key or cryptogram")          // 63xx, 9302 on cards that say so
	ErrMemory       = errors.New("the card's memory failed")              // 64xx, 65xx
	ErrLength       = errors.New("wrong length")                          // 67xx, 6Cxx
	ErrSecurity     = errors.New("security condition not satisfied")      // 6982, 6988 …
	ErrBlocked      = errors.New("authentication blocked")                // 6983
	ErrConditions   = errors.New("conditions of use not satisfied")       // 69xx
	ErrNotFound     = errors.New("file, application or record not found") // 6A82, 6A83, 6A88
	ErrExists       = errors.New("file or name exists already")           // 6A89, 6A8A
	ErrSpace        = errors.New("not enough memory on the card")         // 6A84
	ErrParameters   = errors.New("wrong parameters or data")              // 6Axx, 6B00
	ErrInstruction  = errors.New("instruction or class not supported")    // 6D00, 6E00, 68xx
	ErrMoreData     = errors.New("more data wait on the card")            // 61xx
	ErrUnknownWord  = errors.New("a status word outside ISO/IEC 7816-4")  // 9xxx of makers, 6F00
	ErrAnswerTooBig = errors.New("the card sends more than a card may")   // endless 61xx
	ErrRestless     = errors.New("the card keeps asking for another try") // endless 6Cxx
)

// StatusWord is SW1 SW2. As an error it keeps the number and unwraps to its meaning. 9000 is not an error: use Err.
type StatusWord uint16

// Success is 9000.
const Success StatusWord = 0x9000

// OK says whether the word is 9000.
func (s StatusWord) OK() bool { return s == Success }

// Err is nil for 9000 and the word itself otherwise.
func (s StatusWord) Err() error {
	if s.OK() {
		return nil
	}
	return s
}

func (s StatusWord) Error() string {
	if s.OK() {
		return "card answered 9000"
	}
	return fmt.Sprintf("card answered %04X: %v", uint16(s), s.Unwrap())
}

// Unwrap gives the meaning (ISO/IEC 7816-4 Table 6); nil for 9000.
func (s StatusWord) Unwrap() error {
	if s.OK() {
		return nil
	}
	if m, ok := exact[s]; ok {
		return m
	}
	if m, ok := families[byte(s>>8)]; ok {
		return m
	}
	return ErrUnknownWord
}

// Tries is the number of tries left that a 63Cx word carries, else -1.
func (s StatusWord) Tries() int {
	if s&0xFFF0 == 0x63C0 {
		return int(s & 0xF)
	}
	return -1
}

var exact = map[StatusWord]error{
	0x6281: ErrCorrupted,
	0x6282: ErrEndOfFile,
	0x6300: ErrWrongSecret,
	0x6982: ErrSecurity,
	0x6983: ErrBlocked,
	0x6984: ErrSecurity,
	0x6987: ErrSecurity,
	0x6988: ErrSecurity,
	0x6A82: ErrNotFound,
	0x6A83: ErrNotFound,
	0x6A84: ErrSpace,
	0x6A88: ErrNotFound,
	0x6A89: ErrExists,
	0x6A8A: ErrExists,
}

var families = map[byte]error{
	0x61: ErrMoreData,
	0x62: ErrWarning,
	0x63: ErrWrongSecret,
	0x64: ErrMemory,
	0x65: ErrMemory,
	0x66: ErrSecurity,
	0x67: ErrLength,
	0x68: ErrInstruction,
	0x69: ErrConditions,
	0x6A: ErrParameters,
	0x6B: ErrParameters,
	0x6C: ErrLength,
	0x6D: ErrInstruction,
	0x6E: ErrInstruction,
}
