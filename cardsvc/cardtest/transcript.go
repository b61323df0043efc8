package cardtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Transmitter is what applet calls one.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Transcript is a chip that knows one conversation by heart: each command must be the next of the script, byte for byte, and none may be left at the end.
type Transcript struct {
	t     testing.TB
	lines []exchange
	next  int
}

type exchange struct {
	line            int
	command, answer []byte
	any             bool
}

// NewTranscript reads a script: lines "> hex" (a command) and "< hex" (its answer, data and status word) in turn; "> *" takes any command; blanks and lines
// from # on are skipped. When the test ends, commands left over are an error.
func NewTranscript(t testing.TB, script string) *Transcript {
	t.Helper()
	tr := &Transcript{t: t}
	sc := bufio.NewScanner(strings.NewReader(script))
	open := false
	for n := 1; sc.Scan(); n++ {
		text, _, _ := strings.Cut(sc.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		body := strings.ReplaceAll(text[1:], " ", "")
		b, err := hex.DecodeString(body)
		wild := text[0] == '>' && body == "*"
		switch {
		case err != nil && !wild:
			t.Fatalf("transcript line %d: %v", n, err)
		case text[0] == '>' && !open:
			tr.lines, open = append(tr.lines, exchange{line: n, command: b, any: wild}), true
		case text[0] == '<' && open:
			tr.lines[len(tr.lines)-1].answer, open = b, false
		default:
			t.Fatalf("transcript line %d: > and < come in turn", n)
		}
	}
	if open {
		t.Fatal("transcript: the last command has no answer")
	}
	t.Cleanup(func() {
		if tr.next < len(tr.lines) && !t.Failed() {
			t.Errorf("transcript: line %d and what follows was never sent", tr.lines[tr.next].line)
		}
	})
	return tr
}

// ErrTranscript says that the conversation went another way.
var ErrTranscript = errors.New("cardtest: not the command of the transcript")

// Transmit answers the next command of the script.
func (tr *Transcript) Transmit(_ context.Context, command []byte) ([]byte, error) {
	if tr.next == len(tr.lines) {
		tr.t.Errorf("transcript is at its end; sent: % X", command)
		return nil, ErrTranscript
	}
	e := tr.lines[tr.next]
	tr.next++
	if !e.any && !bytes.Equal(e.command, command) {
		tr.t.Errorf("transcript line %d\nwant % X\nsent % X", e.line, e.command, command)
		return nil, ErrTranscript
	}
	return e.answer, nil
}

// Recorder writes down a conversation in the form NewTranscript reads.
type Recorder struct {
	Transmitter
	Script strings.Builder
}

// Transmit passes the command on.
func (r *Recorder) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := r.Transmitter.Transmit(ctx, command)
	fmt.Fprintf(&r.Script, "> %X\n< %X\n", command, answer)
	return answer, err
}
